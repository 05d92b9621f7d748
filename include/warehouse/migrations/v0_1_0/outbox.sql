-- Approval requests: actions above the caps of a run, and proposed tiers.
create table ops.approval (
    approval_id text primary key, -- Name of the request
    about text not null default 'caps' check (about in ('caps', 'tiers')), -- Subject of the request
    run_id text not null, -- Decision whose actions were too many
    state text not null default 'open' check (state in ('open', 'approved', 'rejected', 'expired')),
    reason text not null, -- Which cap, and by how much
    authors text[] not null, -- Authors of the changes that led to it; they may not approve it
    is_author_known boolean not null default false, -- If false, only named approvers may approve
    overlay jsonb not null default '{}', -- State of the overlay when approval was requested
    refusals jsonb not null default '[]', -- Answers that did not count, with person, time and reason
    asked_at timestamptz not null, -- When it was requested
    expires_at timestamptz not null, -- When it expires without an answer
    answered_at timestamptz, -- When it was answered
    answered_by text not null default '',
    note text not null default '' -- Remark of that person
);
create index approval_open on ops.approval (expires_at) where state = 'open';

-- Every message and every write to an outside system: planned first, then sent at most once.
create table ops.outbox (
    outbox_id bigint generated always as identity primary key, -- Number of the row
    key text not null unique, -- Identifies the effect, so that it cannot happen twice
    channel text not null, -- slack, email, crm_task ...
    entity_kind text not null,
    entity_id text not null,
    rule text not null, -- Signal, playbook, or renewal for the renewal ladder
    episode_no int not null,
    step text not null, -- Rung of the ladder, or step of the playbook
    account_key text not null,
    owner_key text not null default '', -- The account's owner, if the row is for that person
    recipient text not null,
    address text not null default '', -- The recipient's address on the channel, stored before the call
    subject text not null, -- Subject line
    body jsonb not null, -- The message or the fields to write
    reads text[] not null, -- Sources that must be green and fresh when it is sent
    deadline date, -- Date by which a decision is due
    not_before timestamptz, -- Earliest time to send it
    not_after timestamptz not null, -- Latest time to send it
    state text not null -- parked: waits for an approval; uncertain: the vendor's answer was lost
        check (state in ('planned', 'parked', 'sending', 'sent', 'uncertain', 'failed', 'suppressed', 'expired')),
    reason text not null default '', -- Why it is in this state
    approval_id text references ops.approval, -- Approval that it waits or waited for
    undo text not null default '' check (undo in ('', 'asked', 'done', 'stays')), -- stays: it cannot be undone
    undo_reason text not null default '', -- Why it was undone
    notified_by text not null default '', -- Key of the message that tells the recipient about this uncertain one
    external_id text not null default '', -- Id in the outside system
    n_attempts int not null default 0, -- Attempts to send it
    next_attempt_at timestamptz, -- Earliest time of the next attempt
    decision_id text not null, -- Decision that wrote its current text
    run_id text not null default '', -- Decision that planned it first
    version text not null, -- Version of the rule
    planned_at timestamptz not null default now(), -- When it was planned
    sending_at timestamptz, -- When the last attempt began
    resolved_at timestamptz -- When it reached its final state
);
create index outbox_open on ops.outbox (channel, outbox_id) where state in ('planned', 'sending', 'uncertain');
create index outbox_run on ops.outbox (run_id);
create index outbox_undo on ops.outbox (channel) where undo = 'asked';
create index outbox_about on ops.outbox (entity_kind, entity_id);

-- Channels, and whether they are on hold.
create table ops.channel (
    channel text primary key, -- Name of the channel
    is_on_hold boolean not null default true, -- True if nothing is sent
    reason text not null default 'new store: not yet compared with the outside system',
    store_mark text not null default '', -- Store on which it was released; another mark means a restored copy
    changed_by text not null default '', -- Who changed it
    changed_at timestamptz not null default now() -- When it was changed
);

-- Conversations whose history was compared with this store before the first message was sent there.
create table ops.compared_address (
    channel text not null,
    address text not null, -- The conversation
    store_mark text not null, -- Store that it was compared with
    compared_at timestamptz not null default now(), -- When it was compared
    primary key (channel, address, store_mark)
);

-- Effects that were found in the outside system when a channel was compared with this store.
create table ops.found_outside (
    channel text not null,
    key text not null, -- Key of the outbox's row
    external_id text not null, -- Id in the outside system
    found_at timestamptz not null default now(), -- When it was found
    primary key (channel, key)
);

-- Tasks in the CRM, as last read back.
create table ops.task (
    key text primary key, -- Key of the outbox's row
    state text not null check (state in ('open', 'started', 'done', 'deleted')),
    due_on date, -- Due date
    owner_id text not null default '', -- Owner in the CRM; empty for nobody
    outcome text not null default '', -- Text or choice that the person entered on completion
    changed_at timestamptz, -- Last change, by the CRM's clock
    read_at timestamptz not null -- When it was read back
);
