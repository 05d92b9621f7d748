"""Roles, and the tables that say what was read, judged and built."""

from alembic import op

revision = "0.1.0_0001"
down_revision = None

ROLES = """
do $$
declare role_name text;
begin
    foreach role_name in array array['perennial_loader', 'perennial_builder', 'perennial_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute 'create role ' || quote_ident(role_name) || ' nologin';
            end if;
        exception when duplicate_object or unique_violation then null;
        end;
        -- Since PostgreSQL 16, whoever creates a role may administer it but does not have its rights.
        if not pg_has_role(current_user, role_name, 'usage') then
            execute 'grant ' || quote_ident(role_name) || ' to current_user';
        end if;
    end loop;
end $$;
revoke create on schema public from public;
grant usage on schema raw, quarantine, meta, staging, core, marts, ops
    to perennial_loader, perennial_builder, perennial_reader;
grant create on schema raw to perennial_loader;
grant create on schema staging, core, marts to perennial_builder;
alter default privileges for role perennial_loader in schema raw
    grant select on tables to perennial_builder, perennial_reader;
alter default privileges for role perennial_builder in schema staging, core, marts
    grant select on tables to perennial_reader;
"""

TABLES = """
create table meta.installation (
    installation_id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now()
);
insert into meta.installation default values;

create table meta.batch (
    batch_id bigint generated always as identity primary key,
    read_id bigint,       -- the first batch of the same read: a read longer than a batch goes on in the next one
    source text not null,
    vendor text not null,
    entity text not null,
    state text not null check (state in ('landing', 'closed', 'merged', 'held', 'dropped')),
    table_name text not null default '', -- '' before the first row and after the merge
    position jsonb,       -- the position that this read started from; null for a first load
    read_from timestamptz, -- with position: the source was completely read up to here when this read began
    until timestamptz not null, -- the clock of the run when this read began
    since timestamptz,    -- the read was asked to read again all that changed since then
    is_full boolean not null default false, -- the read was asked to read everything again
    is_first_load boolean not null default false,
    read_mark jsonb,      -- the mark of the last landed page; goes on there while cursor_after is null
    cursor_after jsonb,   -- the position after this batch, when it is the last of its read
    read_until timestamptz, -- with cursor_after: the source was completely read up to here
    n_rows bigint not null default 0,
    n_cleaned bigint not null default 0,     -- rows from which characters that PostgreSQL refuses were removed
    n_merged bigint not null default 0,
    n_unchanged bigint not null default 0,
    n_deleted bigint not null default 0,
    n_quarantined bigint not null default 0, -- rows, each counted once, however many rules it breaks
    run_id text not null default '',
    held_because text not null default '',
    decided_by text not null default '',
    decided_because text not null default '',
    opened_at timestamptz not null default now(),
    closed_at timestamptz,
    validated_at timestamptz,
    merged_at timestamptz
);
create unique index one_landing_batch on meta.batch (source, entity) where state = 'landing';
create index batch_queue on meta.batch (source, entity, batch_id) where state in ('landing', 'closed', 'held');
create index batch_of_entity on meta.batch (source, entity, batch_id);
create index batch_merged_at on meta.batch (merged_at);

create table meta.cursor (
    source text not null,
    entity text not null,
    position jsonb not null, -- where the next read starts; while open_read is set, the mark at which it goes on
    version int not null default 1,
    read_until timestamptz,  -- completely read up to here; null until the first read was finished
    open_read jsonb,         -- what the unfinished read was asked for
    batch_id bigint not null,
    updated_at timestamptz not null default now(),
    primary key (source, entity)
);

create table meta.rule_result (
    batch_id bigint not null references meta.batch on delete cascade,
    rule_id text not null,
    severity text not null check (severity in ('critical', 'warning')),
    is_passed boolean not null,
    n_rows bigint not null,
    n_bad bigint not null,
    observed text not null default '',
    checked_at timestamptz not null default now(),
    primary key (batch_id, rule_id)
);

-- What went wrong last, until the same step succeeds. entity = '' is the whole source.
create table meta.source_failure (
    source text not null,
    entity text not null default '',
    step text not null check (step in ('extract', 'validate', 'merge')),
    error text not null,  -- the error's class
    reason text not null,
    cure text not null default '',
    run_id text not null default '',
    n_times int not null default 1,
    since timestamptz not null default now(),
    failed_at timestamptz not null default now(),
    primary key (source, entity, step)
);

-- CRM accounts that were merged into another; survivor_id is the last of a chain.
create table meta.account_merge (
    source text not null,
    loser_id text not null,
    survivor_id text not null,
    batch_id bigint not null,
    known_from timestamptz not null,
    primary key (source, loser_id)
);
create index account_merge_survivor on meta.account_merge (source, survivor_id);

-- entity = '' is the verdict on the whole source.
create table meta.verdict (
    source text not null,
    kind text not null,
    entity text not null default '',
    state text not null check (state in ('green', 'red', 'stale', 'unknown')),
    reason text not null default '',
    cure text not null default '',
    watermark timestamptz,
    since timestamptz not null default now(),
    checked_at timestamptz not null default now(),
    primary key (source, entity)
);

create table meta.dirty_range (
    dirty_id bigint generated always as identity primary key,
    batch_id bigint not null,
    source text not null,
    entity text not null,
    account_ref text not null, -- the account's id as its own source calls it
    from_day date not null,    -- 0001-01-01 for all days
    to_day date,               -- exclusive; null for open
    marked_at timestamptz not null default now(),
    built_by text
);
create index dirty_open on meta.dirty_range (dirty_id) where built_by is null;

create table meta.build (
    build_id text primary key,
    kind text not null check (kind in ('forward', 'rebuild')),
    state text not null check (state in ('running', 'done', 'failed')),
    window_start date not null,
    window_end date not null,
    known_at timestamptz not null,
    dirty_upto bigint not null default 0,
    is_first boolean not null default false,
    watermarks jsonb not null default '{}',
    started_at timestamptz not null default now(),
    finished_at timestamptz
);

create table meta.build_model (
    build_id text not null references meta.build on delete cascade,
    model text not null,
    n_rows bigint not null,
    seconds double precision not null,
    finished_at timestamptz not null default now(),
    primary key (build_id, model)
);

create table meta.check_result (
    build_id text not null,
    model text not null,
    check_name text not null,
    severity text not null,
    n_bad bigint not null,
    checked_at timestamptz not null default now(),
    primary key (build_id, model, check_name)
);

-- Who was notified of a failure, so that an outage of a night is one message and not forty.
create table meta.notice (
    key text primary key,
    failing_since timestamptz not null,
    failed_at timestamptz not null,
    notified_at timestamptz
);

create table quarantine.record (
    quarantine_id bigint generated always as identity primary key,
    batch_id bigint not null,
    row_no bigint not null, -- the row's number in its batch
    source text not null,
    entity text not null,
    record_id text,
    account_ref text,
    source_at timestamptz,
    rule_id text not null,
    reason text not null,
    record jsonb,           -- the row; null beyond a number of rows per batch and rule
    state text not null default 'open' check (state in ('open', 'resolved', 'dropped')),
    quarantined_at timestamptz not null default now(),
    resolved_by bigint,       -- the batch that brought a good version
    unique (batch_id, rule_id, row_no)
);
create index quarantine_open on quarantine.record (source, entity, record_id) where state = 'open';
"""

GRANTS = """
grant select on all tables in schema meta, quarantine to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on all tables in schema quarantine to perennial_loader;
grant insert, update, delete on meta.batch, meta.cursor, meta.rule_result, meta.verdict, meta.dirty_range,
    meta.source_failure, meta.account_merge, meta.notice to perennial_loader;
grant insert, update, delete on meta.build, meta.build_model, meta.check_result to perennial_builder;
grant update (built_by) on meta.dirty_range to perennial_builder;
"""


def upgrade() -> None:
    for part in (ROLES, TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
