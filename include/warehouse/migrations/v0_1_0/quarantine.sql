-- Rows that broke a critical rule, one row per broken rule. Their account is on hold until they are resolved.
create table quarantine.record (
    quarantine_id bigint generated always as identity primary key, -- Number of the finding
    batch_id bigint not null,
    row_no bigint not null, -- Number of the row in its batch
    source text not null,
    entity text not null,
    record_id text, -- Id of the record at its source
    account_ref text, -- The account's id in its own source
    source_at timestamptz, -- The record's last change, by the source's clock
    rule_id text not null,
    reason text not null,
    record jsonb, -- The row; null beyond a number of rows per batch and rule
    content text not null default '', -- Hash of the row's content: an unchanged row is recognised when it is read again
    state text not null default 'open' -- requeued: its dropped batch is read again; waived: loaded by a waiver
        check (state in ('open', 'requeued', 'waived', 'resolved', 'dropped')),
    waiver_id bigint, -- Waiver that let the row in
    waived_until timestamptz, -- When that waiver ends and the account is on hold again
    quarantined_at timestamptz not null default now(), -- When the rule found the row
    decided_by text not null default '', -- Who decided about it; empty for Perennial itself
    decision_reason text not null default '', -- Reason for the decision
    resolved_by bigint, -- Batch with a valid version
    resolved_at timestamptz, -- When it was resolved or dropped
    unique (batch_id, rule_id, row_no)
);
create index quarantine_open on quarantine.record (source, entity, record_id)
    where state in ('open', 'requeued', 'waived');
create index quarantine_of_rule on quarantine.record (rule_id, source, state);
create index quarantine_at on quarantine.record (quarantined_at);

-- Waivers: permissions to load rows that break a rule, until a date.
create table quarantine.waiver (
    waiver_id bigint generated always as identity primary key, -- Number of the waiver
    rule_id text not null,
    source text not null,
    record_id text, -- Null for every row
    reason text not null,
    approved_by text not null, -- Who approved it
    until timestamptz not null, -- When it ends
    created_at timestamptz not null default now(),
    ended_at timestamptz, -- Set if it was ended before
    ended_by text not null default '' -- Who ended it
);
