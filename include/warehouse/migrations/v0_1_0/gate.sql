-- Verdict on each source and entity: decisions and deliveries act on green data only.
create table meta.verdict (
    source text not null,
    kind text not null, -- crm, support or product
    entity text not null default '', -- Empty for the whole source
    state text not null check (state in ('green', 'red', 'stale', 'unknown')), -- The verdict
    reason text not null default '',
    cure text not null default '',
    watermark timestamptz, -- Read completely up to here
    since timestamptz not null default now(),
    checked_at timestamptz not null default now(),
    primary key (source, entity)
);

-- Rules on a source over time, such as freshness: the last result of each.
create table meta.source_check (
    source text not null,
    entity text not null,
    rule_id text not null,
    severity text not null,
    is_passed boolean not null, -- True if the rule passed
    observed text not null default '', -- Observed value
    since timestamptz not null,
    checked_at timestamptz not null,
    primary key (source, rule_id)
);

-- Product features whose usage stopped for too many accounts at once: their data is on hold.
create table meta.feature_hold (
    source text not null,
    feature text not null, -- Name of the feature
    day date not null, -- Day on which usage stopped
    n_accounts bigint not null, -- Accounts that used the feature
    n_silent bigint not null, -- Of those, accounts without usage since
    since timestamptz not null,
    checked_at timestamptz not null,
    primary key (source, feature)
);

-- Events by the names in usage data, and when they arrived.
create table meta.event_seen (
    source text not null,
    event text not null, -- Name of the event or feature
    first_day date not null, -- First day with it
    last_day date not null, -- Newest day with it
    seen_at timestamptz not null, -- Last time that a batch contained it
    primary key (source, event)
);

-- Entities that have not been read completely yet.
create table meta.unread (
    source text not null,
    entity text not null,
    from_day date not null, -- No figures from this day on; 1990-01-01: never read completely
    primary key (source, entity)
);

-- Metrics that are not available because their data is not read completely.
create table meta.metric_gap (
    metric_id text primary key, -- Name of the metric
    from_day date not null -- The metric has no value in periods that end on this day or later
);

-- Data incidents, from detection to resolution.
create table meta.incident (
    incident_id bigint generated always as identity primary key, -- Number of the incident
    key text not null, -- Identifies what is affected; one open incident per key
    kind text not null check (kind in ('rows', 'batch', 'source', 'feature', 'event')), -- What is affected
    source text not null,
    entity text not null default '',
    rule_id text not null default '',
    state text not null default 'open' check (state in ('open', 'closed')),
    n_bad bigint not null default 0, -- Affected rows
    n_rows bigint not null default 0, -- Rows that were checked
    notified_n_bad bigint not null default 0, -- n_bad in the last notification
    reason text not null default '',
    opened_at timestamptz not null,
    worsened_at timestamptz, -- When n_bad last grew enough for another notification
    closed_at timestamptz
);
create unique index one_open_incident on meta.incident (key) where state = 'open';
create index incident_at on meta.incident (opened_at);

-- Messages about incidents.
create table meta.notification (
    notification_id bigint generated always as identity primary key, -- Number of the message
    incident_id bigint not null references meta.incident on delete cascade, -- Incident that it is about
    event text not null check (event in ('start', 'worse', 'over')), -- What happened to the incident
    channel text not null,
    recipient text not null,
    subject text not null, -- Subject line
    body jsonb not null, -- The message
    state text not null default 'planned' check (state in ('planned', 'sending', 'sent', 'failed', 'silenced')),
    reason text not null default '', -- Why it failed or was silenced
    n_attempts int not null default 0, -- Attempts to send it
    planned_at timestamptz not null, -- When it was planned
    resolved_at timestamptz -- When it was sent, failed or silenced
);
create index notification_waiting on meta.notification (notification_id) where state in ('planned', 'sending');

-- Silences: patterns of incident keys that send no notifications until a date.
create table meta.silence (
    silence_id bigint generated always as identity primary key, -- Number of the silence
    pattern text not null, -- Pattern of incident keys; * stands for anything
    reason text not null,
    created_by text not null, -- Who created it
    until timestamptz not null, -- When it ends
    created_at timestamptz not null default now(),
    ended_at timestamptz, -- Set if it was ended before
    ended_by text not null default '' -- Who ended it
);

-- Notices of failing DAG tasks and of contract findings. The failures of one outage are one notice.
create table meta.notice (
    key text primary key, -- DAG and task, or contracts/ and a hash of the finding
    failing_since timestamptz not null, -- First failure in a row, or when the finding was notified
    failed_at timestamptz not null, -- Last failure, or when the finding was notified
    notified_at timestamptz -- When people were notified
);
