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
grant usage on schema meta to perennial_editor;
grant create on schema raw to perennial_loader;
grant create on schema staging, core, marts to perennial_builder;
alter default privileges for role perennial_loader in schema raw
    grant select on tables to perennial_builder, perennial_reader;
alter default privileges for role perennial_builder in schema staging, core, marts
    grant select on tables to perennial_reader;
