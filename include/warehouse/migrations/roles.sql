-- Runs at each migration: roles belong to the server, so a backup restored on another server lacks them.
--
-- Four roles that cannot log in. Each login of Perennial is a member of exactly one of them.
do $$
declare role_name text;
begin
    foreach role_name in array array['perennial_loader', 'perennial_builder', 'perennial_editor', 'perennial_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute 'create role ' || quote_ident(role_name) || ' nologin';
            end if;
        exception when duplicate_object or unique_violation then null;
        end;
        -- Since PostgreSQL 16 the creator of a role may administer it but does not have its rights.
        if not pg_has_role(current_user, role_name, 'usage') then
            execute 'grant ' || quote_ident(role_name) || ' to current_user';
        end if;
    end loop;
end $$;

grant usage on schema raw, quarantine, meta, staging, core, marts, ops
    to perennial_loader, perennial_builder, perennial_reader;
grant usage on schema meta, ops to perennial_editor;
grant create on schema raw to perennial_loader;
grant create on schema staging, core, marts to perennial_builder;
alter default privileges for role perennial_loader in schema raw
    grant select on tables to perennial_builder, perennial_reader;
alter default privileges for role perennial_builder in schema staging, core, marts
    grant select on tables to perennial_reader;

-- After a restore, tables may belong to the database's owner (`pg_restore --no-owner`) or lack their grants. Tables that
-- others created in these schemas are left alone: ours have names like `hubspot__account` in raw, and a comment that
-- starts with `perennial` elsewhere.
do $$
declare one record;
begin
    for one in
        select relation, writer, readers
        from (
            select
                c.oid as relation, c.relowner,
                case n.nspname when 'raw' then 'perennial_loader' else 'perennial_builder' end as writer,
                case n.nspname when 'raw' then 'perennial_builder, perennial_reader' else 'perennial_reader' end as readers
            from pg_class as c
            join pg_namespace as n on n.oid = c.relnamespace
            left join pg_inherits as i on i.inhrelid = c.oid
            where c.relkind in ('r', 'p', 'v') and (
                n.nspname = 'raw' and strpos(c.relname, '__') > 1
                or n.nspname in ('staging', 'core', 'marts')
                and starts_with(obj_description(coalesce(i.inhparent, c.oid), 'pg_class'), 'perennial ')
            )
        ) as ours
        where pg_get_userbyid(relowner) = current_user
            or pg_get_userbyid(relowner) = writer and exists (
                select from unnest(string_to_array(readers, ', ')) as reader
                where not has_table_privilege(reader, relation, 'select')
            )
    loop
        execute 'alter table ' || one.relation::regclass || ' owner to ' || one.writer;
        execute 'grant select on ' || one.relation::regclass || ' to ' || one.readers;
    end loop;
end $$;
