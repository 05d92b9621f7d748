"""The tables behind decisions and deliveries."""

from alembic import op

revision = "0.1.0_0002"
down_revision = "0.1.0_0001"

TABLES = """
create table ops.channel (
    channel text primary key,
    is_on_hold boolean not null default true,
    reason text not null default 'new store: not yet compared with the outside system',
    store_mark text not null default '', -- the store on which it was released; another mark means a restored copy
    changed_by text not null default '',
    changed_at timestamptz not null default now()
);

-- Conversations whose history was compared with this store before the first message went there.
create table ops.compared_address (
    channel text not null,
    address text not null,
    store_mark text not null,
    compared_at timestamptz not null default now(),
    primary key (channel, address, store_mark)
);

-- What the outside system was found to hold when its channel was compared with this store.
create table ops.found_outside (
    channel text not null,
    key text not null,
    external_id text not null,
    found_at timestamptz not null default now(),
    primary key (channel, key)
);

create table ops.decision (
    decision_id text primary key,
    as_of date not null,
    build_id text not null,
    config_hash text not null,
    gate jsonb not null,
    n_planned int not null default 0,
    n_suppressed int not null default 0,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);

create table ops.episode (
    episode_id bigint generated always as identity primary key,
    signal text not null,
    entity_kind text not null,
    entity_id text not null,
    episode_no int not null,
    account_key text not null,
    state text not null check (state in ('open', 'closed')),
    severity text not null default 'normal',
    evidence jsonb not null,
    opened_on date not null,
    updated_on date not null,
    closed_on date,
    closed_because text not null default '',
    unique (signal, entity_kind, entity_id, episode_no)
);
create unique index one_open_episode on ops.episode (signal, entity_kind, entity_id) where state = 'open';

create table ops.outbox (
    outbox_id bigint generated always as identity primary key,
    key text not null unique,
    channel text not null,          -- slack, email, crm_task
    entity_kind text not null,
    entity_id text not null,
    rule text not null,             -- signal or playbook
    episode_no int not null,
    step text not null,             -- rung, or step of the playbook
    account_key text not null,
    owner_key text not null default '', -- the account's owner whom it is for; '' when it is for someone else
    recipient text not null,        -- e-mail address of the person
    address text not null default '', -- where the channel found that person, noted before the call
    subject text not null,
    body jsonb not null,
    reads text[] not null,          -- sources that must be green and fresh when it is sent
    deadline date,                  -- the decision date that it is about
    not_before timestamptz,
    not_after timestamptz not null,
    state text not null check (state in
        ('planned', 'sending', 'sent', 'uncertain', 'failed', 'suppressed', 'expired')),
    because text not null default '',
    notified_by text not null default '', -- key of the message that tells the recipient about this uncertain one
    external_id text not null default '',
    n_attempts int not null default 0,
    next_attempt_at timestamptz,
    decision_id text not null,
    version text not null,
    planned_at timestamptz not null default now(),
    sending_at timestamptz,
    settled_at timestamptz
);
create index outbox_open on ops.outbox (channel, outbox_id) where state in ('planned', 'sending', 'uncertain');
"""

GRANTS = """
grant select on all tables in schema ops to perennial_loader, perennial_reader;
grant select, insert, update, delete on all tables in schema ops to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
