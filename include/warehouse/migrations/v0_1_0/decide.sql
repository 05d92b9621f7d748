-- Runs of the DAG decide.
create table ops.decision (
    decision_id text primary key, -- Name of the run
    as_of date not null, -- Day that the decision is about
    build_id text not null,
    config_hash text not null, -- Hash of the settings
    gate jsonb not null, -- Verdicts on the sources
    n_planned int not null default 0, -- Planned actions
    n_suppressed int not null default 0, -- Suppressed actions
    started_at timestamptz not null default now(),
    finished_at timestamptz
);

-- Episodes: renewals, signals and playbooks that are or were open on an account.
create table ops.episode (
    episode_id bigint generated always as identity primary key, -- Number of the episode
    signal text not null, -- Signal, playbook, or renewal for the renewal ladder
    entity_kind text not null,
    entity_id text not null,
    episode_no int not null,
    account_key text not null,
    state text not null check (state in ('open', 'closed')),
    severity text not null default 'normal',
    evidence jsonb not null, -- Values that opened it, as last evaluated
    opened_on date not null, -- When it was opened
    updated_on date not null, -- When it was last evaluated
    closed_on date, -- When it was closed
    close_reason text not null default '', -- Why it was closed
    notified_as text not null default '' -- How the CSM was notified; empty if not yet
        check (notified_as in ('', 'alert', 'digest', 'waiting', 'silent')),
    notified_step text not null default '', -- opened or worse
    notified_on date, -- When the CSM was notified
    arm text not null default '' -- Of playbooks: held_out is the control group
        check (arm in ('', 'acted', 'held_out')),
    answer text not null default '', -- Answer of the person who closed it; empty if nobody did
    snoozed_until date, -- The task's new due date: no notification before
    assignee_key text not null default '', -- Who the task was assigned to; empty for the account's own CSM
    escalated_to text not null default '' check (escalated_to in ('', 'lead', 'head')), -- Who it was escalated to
    escalated_on date, -- When it was escalated
    unique (signal, entity_kind, entity_id, episode_no)
);
create unique index one_open_episode on ops.episode (signal, entity_kind, entity_id) where state = 'open';

-- Signals that have been evaluated. The first evaluation opens episodes without notifying anyone.
create table ops.signal (
    signal text primary key, -- Name of the signal
    first_scan_on date not null -- Day of the first evaluation
);

-- Playbook versions that episodes use: a running episode keeps the version it started with.
create table ops.playbook_version (
    playbook text not null, -- Name of the playbook
    version int not null, -- Version of the playbook
    content jsonb not null, -- The playbook's file
    first_started_on date not null, -- When an episode first started with it
    primary key (playbook, version)
);

-- Filters that kept a rule from opening although its condition applied, one row per filter. With an empty subject_id:
-- the rule's state on that day. With an empty rule: the gate's verdicts on sources and accounts.
create table ops.evaluation (
    day date not null, -- Day that the decision is about
    rule text not null, -- Signal, playbook, or renewal for the renewal ladder; empty for all rules
    subject_kind text not null,
    subject_id text not null,
    account_key text not null,
    reason text not null, -- Code in include/decide/rules/reasons.py
    facts jsonb not null, -- Values that the filter used
    primary key (day, rule, subject_kind, subject_id, reason)
);
create index evaluation_account on ops.evaluation (account_key, day);

-- Values that the conditions read on a day, without personal data.
create table ops.evaluation_input (
    day date not null, -- Day that the decision is about
    subject_kind text not null,
    subject_id text not null,
    account_key text not null,
    facts jsonb not null, -- Column -> value; unknown values are left out
    primary key (account_key, day, subject_kind, subject_id)
);
create index evaluation_input_day on ops.evaluation_input using brin (day);
