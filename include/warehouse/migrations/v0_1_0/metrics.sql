-- Restatements: former values of closed periods. The oldest row of a value is the first reported one.
create table meta.kpi_restatement (
    restatement_id bigint generated always as identity primary key, -- Number of the restatement
    metric_id text not null,
    metric_version int not null, -- Version of the definition
    period text not null,
    period_start date not null, -- First day of the period
    as_of date not null, -- Last day of the period
    grain text not null,
    grain_key text not null, -- The group
    was_reported boolean not null, -- False if the group had no value before
    value double precision, -- Value before the change
    numerator numeric, -- Numerator before the change
    denominator numeric, -- Denominator before the change
    n bigint, -- Number of accounts or cases before the change
    coverage double precision, -- Coverage before the change, from 0 to 1
    known_to timestamptz not null,
    reason text not null,
    build_id text not null -- Build that changed it
);
create index kpi_restatement_of on meta.kpi_restatement (metric_id, as_of, period, grain, grain_key);
create index kpi_restatement_build on meta.kpi_restatement (build_id);

-- Metric definitions in use. A definition must not change without a new version.
create table meta.metric_definition (
    metric_id text not null,
    metric_version int not null, -- Version of the definition
    definition_hash text not null, -- Hash of the definition
    definition jsonb not null, -- The definition
    first_used_at timestamptz not null default now(), -- When a value was first computed with it
    primary key (metric_id, metric_version)
);

-- Manual corrections, shown wherever the value is. The computed value stays in marts.kpi_value.
create table meta.kpi_override (
    override_id bigint generated always as identity primary key, -- Number of the override
    metric_id text not null,
    period text not null,
    as_of date not null, -- Last day of the period
    grain text not null,
    grain_key text not null, -- The group
    value double precision not null, -- Corrected value
    reason text not null check (reason <> ''),
    entered_by text not null, -- Who entered it
    approved_by text not null check (approved_by <> ''), -- Who approved it
    entered_at timestamptz not null default now(), -- When it was entered
    expires_on date not null, -- Day from which the computed value is shown again
    withdrawn_at timestamptz, -- When it was withdrawn
    withdrawal_reason text not null default '' -- Why it was withdrawn
);
create index kpi_override_of on meta.kpi_override (metric_id, as_of);

-- The CSM's own rating of an account.
create table meta.health_pulse (
    pulse_id bigint generated always as identity primary key, -- Number of the rating
    account_key text not null,
    given_on date not null, -- Day of the rating
    score integer not null check (score between 1 and 5), -- 1 is worst, 5 is best
    why text not null, -- The CSM's reason
    given_by text not null, -- Who gave it
    known_from timestamptz not null,
    known_to timestamptz
);
create unique index health_pulse_holds on meta.health_pulse (account_key, given_on) where known_to is null;

-- Health scores or bands that a lead set by hand.
create table meta.health_override (
    override_id bigint generated always as identity primary key, -- Number of the override
    account_key text not null,
    score numeric(5, 2) check (score between 0 and 100), -- The score
    band text check (band in ('red', 'yellow', 'green')), -- The band, if no score was set
    reason text not null,
    given_by text not null, -- Who set it
    from_day date not null, -- First day
    until date not null check (until > from_day and until <= from_day + 60), -- Exclusive; 60 days at most
    is_remainder boolean not null default false, -- True for the days that stay of an override that was ended early
    ended_by text not null default '', -- Who ended it before its last day
    known_from timestamptz not null,
    known_to timestamptz,
    check ((score is null) <> (band is null))
);
create unique index health_override_holds on meta.health_override (account_key, from_day) where known_to is null;

-- What people expect a CSM's renewals of a quarter to bring. The newest call of a quarter counts.
create table meta.forecast_call (
    call_id bigint generated always as identity primary key, -- Number of the call
    owner_key text not null, -- The CSM in the CRM
    quarter_start date not null, -- First day of the quarter
    amount numeric(14, 2) not null check (amount >= 0), -- Renewed ARR that is expected
    given_by text not null, -- Who entered it
    given_on date not null, -- Day of the call
    known_from timestamptz not null,
    known_to timestamptz
);
create unique index forecast_call_holds on meta.forecast_call (owner_key, quarter_start, given_on) where known_to is null;

-- Why health scores changed in a week or month, one row per cause, for accounts that moved 3 points or changed band.
create table meta.health_change (
    period text not null check (period in ('week', 'month')),
    account_key text not null,
    since date not null, -- Last day of the period before
    day date not null, -- Last day of the period
    position int not null, -- Order of the causes, the largest first
    cause text not null, -- A measure, or another cause
    kind text not null, -- value, aged, lost, back, definition, peers, ceiling, override or band
    change numeric(6, 2) not null, -- Points of the score; all causes add up to its change
    before text not null, -- Value before the change, as text
    after text not null, -- Value after the change, as text
    score_before numeric(5, 2) not null, -- Score shown on the first day
    score_after numeric(5, 2) not null, -- Score shown on the last day
    band_before text not null, -- Band shown on the first day
    band_after text not null, -- Band shown on the last day
    kept_at timestamptz not null, -- When it was written
    primary key (period, day, account_key, position)
);
create index health_change_of on meta.health_change (account_key);

-- Rows of marts.health_input that a build changed two days or more after their day, as they were before.
create table meta.former_health_input (
    account_key text not null, -- The account
    day date not null, -- The day of the score
    input jsonb, -- The row; null if there was none
    band text, -- The band shown then
    band_since date, -- First day of that band
    build_id text not null, -- Build that replaced the row
    known_to timestamptz not null,
    primary key (account_key, day, known_to)
);

-- Backtest of the health score, one row per closed month.
create table meta.health_backtest (
    month date primary key, -- First day of the month
    profile text not null, -- Name and version of the profile
    n_losses int not null, -- Lost renewals
    n_left_out int not null, -- Renewals without an outcome yet
    red_multiple double precision, -- Loss rate of red accounts divided by the loss rate of all
    lost_below_green double precision, -- Share of lost renewals that were not green
    share_green double precision, -- Share of accounts that were green
    lead_days double precision, -- Days between the first warning and the loss
    coverage double precision, -- Share of the score's weight with data, from 0 to 1
    warnings text[] not null, -- Quality floors that the score missed
    judged_at timestamptz not null -- When the backtest ran
);

-- Accuracy of the health score and of simpler methods, per month and days before the renewal.
create table meta.health_backtest_method (
    month date not null references meta.health_backtest on delete cascade, -- First day of the month
    method text not null, -- score, learned, a single measure, equal weights ...
    days_before int not null, -- Days before the renewal
    n int not null, -- Renewals
    n_lost int not null, -- Lost renewals
    auc double precision, -- Area under the ROC curve
    low double precision, -- Lower bound of its confidence interval
    high double precision, -- Upper bound of its confidence interval
    auc_arr double precision, -- Area under the ROC curve, weighted by ARR
    lift double precision, -- Lift of the worst decile
    brier double precision, -- Brier score
    intercept double precision, -- Calibration: intercept
    slope double precision, -- Calibration: slope
    ece double precision, -- Calibration: expected error over ten bins
    segment text not null default 'all', -- all, or a customer tier
    primary key (month, segment, method, days_before)
);
