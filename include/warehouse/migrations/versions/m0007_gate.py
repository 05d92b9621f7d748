"""The life of what is held: waivers, replays, held features, freshness, incidents and who was notified of them."""

from alembic import op

revision = "0.1.0_0007"
down_revision = "0.1.0_0006"

TABLES = """
-- reread: of a batch that was dropped; holds its account until the read that follows is merged.
-- waived: let in by a waiver; holds its account again when that is over.
alter table quarantine.record drop constraint record_state_check;
alter table quarantine.record
    add constraint record_state_check check (state in ('open', 'reread', 'waived', 'resolved', 'dropped')),
    add column waiver_id bigint,
    add column waived_until timestamptz,
    add column decided_by text not null default '',
    add column decided_because text not null default '',
    add column settled_at timestamptz;
drop index quarantine.quarantine_open;
create index quarantine_open on quarantine.record (source, entity, record_id)
    where state in ('open', 'reread', 'waived');
create index quarantine_of_rule on quarantine.record (rule_id, source, state);
create index quarantine_at on quarantine.record (quarantined_at);

create table quarantine.waiver (
    waiver_id bigint generated always as identity primary key,
    rule_id text not null,
    source text not null,
    record_id text,            -- null: every row
    reason text not null,
    approved_by text not null,
    until timestamptz not null,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    ended_by text not null default ''
);

alter table meta.batch
    add column is_replay boolean not null default false, -- rows out of quarantine once more; the cursor stays
    add column newest_at timestamptz;                    -- the source's clock of its newest row
alter table meta.cursor add column full_because text not null default ''; -- the next read must be a full one, and why

create table meta.feature_hold (
    source text not null,
    feature text not null,
    day date not null,         -- the day on which its use broke off
    n_accounts bigint not null,
    n_silent bigint not null,
    since timestamptz not null,
    checked_at timestamptz not null,
    primary key (source, feature)
);

-- What holds of a source over time: one row per rule, as it was judged last.
create table meta.source_check (
    source text not null,
    entity text not null,
    rule_id text not null,
    severity text not null,
    is_passed boolean not null,
    observed text not null default '',
    since timestamptz not null,
    checked_at timestamptz not null,
    primary key (source, rule_id)
);

create table meta.incident (
    incident_id bigint generated always as identity primary key,
    key text not null,
    kind text not null check (kind in ('rows', 'batch', 'source', 'feature')),
    source text not null,
    entity text not null default '',
    rule_id text not null default '',
    state text not null default 'open' check (state in ('open', 'closed')),
    n_bad bigint not null default 0,
    n_rows bigint not null default 0,
    notified_n_bad bigint not null default 0, -- as people know it
    reason text not null default '',
    opened_at timestamptz not null,
    worsened_at timestamptz,
    closed_at timestamptz
);
create unique index one_open_incident on meta.incident (key) where state = 'open';
create index incident_at on meta.incident (opened_at);

create table meta.notification (
    notification_id bigint generated always as identity primary key,
    incident_id bigint not null references meta.incident on delete cascade,
    event text not null check (event in ('start', 'worse', 'over')),
    channel text not null,
    recipient text not null,
    subject text not null,
    body jsonb not null,
    state text not null default 'planned' check (state in ('planned', 'sending', 'sent', 'failed', 'silenced')),
    because text not null default '',
    n_attempts int not null default 0,
    planned_at timestamptz not null,
    settled_at timestamptz
);
create index notification_waiting on meta.notification (notification_id) where state in ('planned', 'sending');

create table meta.silence (
    silence_id bigint generated always as identity primary key,
    pattern text not null,     -- of incident keys: * stands for anything
    reason text not null,
    created_by text not null,
    until timestamptz not null,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    ended_by text not null default ''
);
"""

GRANTS = """
grant select on meta.feature_hold, meta.source_check, meta.incident, meta.notification, meta.silence, quarantine.waiver
    to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.feature_hold, meta.source_check, meta.incident, meta.notification, meta.silence,
    quarantine.waiver to perennial_loader;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
