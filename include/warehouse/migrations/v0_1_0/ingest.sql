-- Identity of this warehouse, which is also the salt of the hashes in meta.suppression.
create table meta.installation (
    installation_id uuid primary key default gen_random_uuid(), -- Generated once, when the warehouse is created
    created_at timestamptz not null default now()
);
insert into meta.installation default values;

-- Counts of calls and encrypted tokens of vendor accounts, shared by workers on several machines. Unlogged: after a crash
-- they are counted and fetched anew.
create unlogged table meta.shared_state (
    name text primary key, -- Kind and hash of the account
    content bytea not null default '', -- Counts as JSON, or the encrypted token
    changed_at timestamptz not null default now() -- When it was last changed
);

-- Rows of one entity that were extracted together: validated, then merged, held or dropped as a whole.
create table meta.batch (
    batch_id bigint generated always as identity primary key, -- Number of the batch
    read_id bigint, -- First batch of the same extract; a long extract continues in further batches
    source text not null,
    vendor text not null, -- Connector that read it
    entity text not null,
    state text not null -- landing: open; closed: complete; then merged, held or dropped
        check (state in ('landing', 'closed', 'merged', 'held', 'dropped')),
    table_name text not null default '', -- Table in raw with its rows; empty before the first row and after the merge
    position jsonb, -- Cursor that the extract started from; null on a first load
    read_from timestamptz, -- With position: the source had been read completely up to here
    until timestamptz not null, -- Clock of the run when the extract began
    since timestamptz, -- Set if the extract re-reads all changes since this time
    is_full boolean not null default false, -- True if a full refresh was requested
    is_first_load boolean not null default false, -- True if the entity had no cursor before
    is_replay boolean not null default false, -- True if its rows come out of quarantine; the cursor stays
    read_mark jsonb, -- Mark of the last landed page: the extract resumes there while cursor_after is null
    cursor_after jsonb, -- Cursor after this batch, if it is the last of its extract
    read_until timestamptz, -- With cursor_after: the source was read completely up to here
    newest_at timestamptz, -- Newest change in the batch, by the source's clock
    n_rows bigint not null default 0, -- Landed rows
    n_cleaned bigint not null default 0, -- Rows from which characters that PostgreSQL refuses were removed
    n_merged bigint not null default 0, -- Rows that were new or changed
    n_unchanged bigint not null default 0, -- Rows equal to the stored version
    n_deleted bigint not null default 0, -- Records marked as deleted
    n_quarantined bigint not null default 0, -- Quarantined rows, each counted once
    run_id text not null default '',
    hold_reason text not null default '', -- Why the batch is held
    decided_by text not null default '', -- Who released or dropped a held batch
    decision_reason text not null default '', -- Reason that this person gave
    decided_at timestamptz, -- When that person decided
    opened_at timestamptz not null default now(), -- When the batch was created
    closed_at timestamptz, -- When its last row was landed
    validated_at timestamptz, -- When its contract was evaluated
    merged_at timestamptz -- When it was merged
);
create unique index one_landing_batch on meta.batch (source, entity) where state = 'landing';
create index batch_queue on meta.batch (source, entity, batch_id) where state in ('landing', 'closed', 'held');
create index batch_of_entity on meta.batch (source, entity, batch_id);
create index batch_merged_at on meta.batch (merged_at);

-- How far each entity has been read.
create table meta.cursor (
    source text not null,
    entity text not null,
    position jsonb not null, -- Where the next extract starts; while open_read is set, where it resumes
    version int not null default 1, -- Format of position
    read_until timestamptz, -- Read completely up to here; null until the first extract is finished
    open_read jsonb, -- Request of the unfinished extract
    full_refresh_reason text not null default '', -- Why the next extract must be a full refresh; empty if it need not
    batch_id bigint not null,
    updated_at timestamptz not null default now(),
    primary key (source, entity)
);

-- Result of each contract rule on each batch.
create table meta.rule_result (
    batch_id bigint not null references meta.batch on delete cascade,
    rule_id text not null,
    severity text not null check (severity in ('critical', 'warning')),
    is_passed boolean not null, -- True if the rule passed
    n_rows bigint not null, -- Rows that the rule was evaluated on
    n_bad bigint not null, -- Rows that broke it
    observed text not null default '', -- Observed value, for a rule on the whole batch
    checked_at timestamptz not null default now(),
    primary key (batch_id, rule_id)
);

-- Last failure of each step, until the step succeeds.
create table meta.source_failure (
    source text not null,
    entity text not null default '', -- Empty for the whole source
    step text not null check (step in ('extract', 'validate', 'merge')), -- Step that failed
    error text not null, -- Class of the error
    reason text not null,
    cure text not null default '',
    run_id text not null default '',
    n_times int not null default 1, -- Failures in a row
    since timestamptz not null default now(),
    failed_at timestamptz not null default now(), -- Time of the last failure
    primary key (source, entity, step)
);

-- Accounts and days whose raw rows changed, and the build that applied the change.
create table meta.dirty_range (
    dirty_id bigint generated always as identity primary key, -- Number of the change
    batch_id bigint not null,
    source text not null,
    entity text not null,
    account_ref text not null, -- The account's id in its own source
    from_day date not null, -- First changed day; 0001-01-01 for all days
    to_day date, -- Exclusive; null for open
    marked_at timestamptz not null default now(), -- When the change was recorded
    built_by text -- Build that applied it; null while it is pending
);
create index dirty_open on meta.dirty_range (dirty_id) where built_by is null;

-- Progress of the backfill from the vendors' change logs.
create table meta.history (
    source text not null,
    entity text not null,
    mark jsonb, -- Where the backfill resumes
    n_states bigint not null default 0, -- Stored former versions
    finished_at timestamptz, -- Null until the last page is stored
    problem text not null default '', -- Why the last attempt ended early
    updated_at timestamptz not null,
    primary key (source, entity)
);

-- Last comparison of each entity with its source.
create table meta.reconciliation (
    source text not null,
    entity text not null,
    state text not null check (state in ('equal', 'resolved', 'held', 'failed')), -- Outcome of the comparison
    compared_by text not null default '', -- counts, ids or full read
    n_source bigint, -- Records at the source; null if not counted
    n_raw bigint, -- Records in raw
    n_missing bigint, -- Records at the source but not in raw
    n_gone bigint, -- Records in raw but no longer at the source
    note text not null default '', -- Remark on the comparison
    reconciled_at timestamptz not null, -- When it was compared
    primary key (source, entity)
);

-- Fields of each entity's object at its source, as last described.
create table meta.source_schema (
    source text not null,
    entity text not null,
    fields jsonb not null, -- Name of each field -> type at the source
    seen_at timestamptz not null, -- When the source described it
    primary key (source, entity)
);

-- Schema drift: one row per change that was found. The source's owner is notified once.
create table meta.schema_change (
    change_id bigint generated always as identity primary key, -- Number of the change
    source text not null,
    entity text not null,
    kind text not null check (kind in ('new', 'removed', 'renamed', 'retyped')), -- What changed
    field text not null, -- Name of the field
    was text not null, -- Former type, or for renamed the former name; empty for new
    is_now text not null, -- Present type; empty for removed
    fills text not null, -- Columns that are mapped from the field, comma-separated
    noticed_at timestamptz not null, -- When the change was found
    notified_at timestamptz -- When the owner was notified
);
create index schema_change_of on meta.schema_change (source, entity, field);

-- Record of each erasure, without personal data.
create table meta.erasure (
    erasure_id bigint generated always as identity primary key, -- Number of the erasure
    kind text not null check (kind in ('person', 'account')), -- Whose data was erased
    subject_hash text not null, -- Salted hash of the person or account
    reason text not null,
    asked_by text not null, -- Who requested it
    counts jsonb not null, -- Store -> erased rows
    erased_at timestamptz not null -- When it was carried out
);

-- Suppression list: erased records are not loaded again.
create table meta.suppression (
    hash text primary key, -- Of an address, a record or an account, salted with the installation's id
    erasure_id bigint not null references meta.erasure -- Erasure that added it
);

-- Rows that retention deleted, per run and store.
create table meta.housekeeping (
    run_at timestamptz not null, -- When retention ran
    store text not null, -- Table or group of tables
    n_deleted bigint not null, -- Deleted rows
    is_complete boolean not null, -- False if the run reached its limit and the next one resumes
    primary key (run_at, store)
);
