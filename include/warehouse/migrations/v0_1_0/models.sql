-- Builds of the models.
create table meta.build (
    build_id text primary key, -- Name of the build
    kind text not null check (kind in ('forward', 'rebuild')), -- forward: the next increment; rebuild: of a window
    state text not null check (state in ('running', 'done', 'failed', 'superseded')),
    window_start date not null, -- First day that is built
    window_end date not null, -- Exclusive
    known_at timestamptz not null, -- The build uses what was known at this time
    newest_day date not null, -- Day that counts as today
    first_day date not null, -- First day of the windowed tables
    trigger text not null -- first build; day: a new day; work: pending changes only; rebuild: of a window
        check (trigger in ('first', 'day', 'work', 'rebuild')),
    reason text not null default '', -- Why it was started
    dirty_upto bigint not null default 0, -- Highest dirty_id when it was planned
    is_first boolean not null default false, -- True if there was no build before
    watermarks jsonb not null default '{}', -- Source -> read completely up to here
    started_at timestamptz not null default now(),
    finished_at timestamptz
);

-- Models that each build built.
create table meta.build_model (
    build_id text not null references meta.build on delete cascade,
    model text not null,
    n_rows bigint not null, -- Rows that the query returned
    n_changed bigint not null default 0, -- Removed plus added rows; a changed row counts as both
    scope text not null default '', -- Accounts and days that were built
    reason text not null default '', -- Why the model was built
    seconds double precision not null, -- Duration in seconds
    finished_at timestamptz not null default now(),
    primary key (build_id, model)
);

-- Changes in a table that its downstream tables must apply.
create table meta.build_change (
    change_id bigint generated always as identity primary key, -- Number of the change
    build_id text not null,
    origin text not null, -- raw.<entity>, or the name of a model
    account_key text not null, -- * for all
    from_day date, -- Null for the first day
    to_day date, -- Exclusive; null for open
    copy_of bigint -- Change of an unfinished build, taken over by this build
);
create index build_change_of on meta.build_change (build_id, origin);

-- Dirty ranges that a build claimed. Ids are not assigned in the order of commits, so an upper bound is not enough.
create table meta.build_dirty (
    build_id text not null,
    dirty_id bigint not null, -- The claimed dirty range
    primary key (build_id, dirty_id)
);

-- Results of the checks in checks.sql.
create table meta.check_result (
    build_id text not null,
    model text not null,
    check_name text not null, -- Name of the check
    severity text not null, -- fail or warn
    n_bad bigint not null, -- Rows that violate it
    checked_at timestamptz not null default now(),
    primary key (build_id, model, check_name)
);

-- Fingerprint of the model that each table was built from. A table is rebuilt when its model's fingerprint changes.
create table meta.model_fingerprint (
    model text primary key, -- Name of the model
    query text not null, -- Hash of its query and of the views it reads, without comments and layout
    settings jsonb not null, -- Settings that it reads as parameters
    build_id text not null, -- Build that wrote it
    reason text not null -- Difference from the previous fingerprint
);

-- Last day of each frozen table. Rows that were missing when the day was frozen stay missing.
create table meta.frozen (
    model text primary key, -- Name of the model
    upto date not null -- Last frozen day
);

-- Calendar for the models.
create table meta.calendar (
    day date primary key, -- The day
    day_no int not null unique, -- Days since 1970-01-01
    month_no int not null, -- Months since year 0
    day_of_month int not null, -- 1 to 31
    days_in_month int not null, -- 28 to 31
    week_start date not null, -- Monday of the week
    month_start date not null, -- First day of the month
    quarter_start date not null, -- First day of the quarter
    is_month_end boolean not null, -- True on the last day of the month
    is_working_day boolean not null, -- True from Monday to Friday
    day_12m_ago date not null -- Same day twelve months before
);
insert into meta.calendar
select
    d::date,
    d::date - date '1970-01-01',
    (extract(year from d) * 12 + extract(month from d) - 1)::int,
    extract(day from d)::int,
    extract(day from date_trunc('month', d) + interval '1 month' - interval '1 day')::int,
    date_trunc('week', d)::date,
    date_trunc('month', d)::date,
    date_trunc('quarter', d)::date,
    extract(day from d + interval '1 day') = 1,
    extract(isodow from d) < 6,
    (d - interval '12 months')::date
from generate_series(timestamp '1990-01-01', timestamp '2100-12-31', interval '1 day') as d;
create index calendar_month on meta.calendar (month_no, day_of_month);

-- Periods of the KPIs.
create table meta.period (
    period text not null check (period in ('day', 'week', 'month', 'quarter')),
    period_start date not null, -- First day
    as_of date not null, -- Last day: its close is the period's end
    before_start date not null, -- Day before the first: its close is the period's start
    primary key (as_of, period)
);
insert into meta.period
select 'day', day, day, day - 1 from meta.calendar
union all
select 'week', week_start, max(day), week_start - 1 from meta.calendar group by week_start having count(*) = 7
union all
select 'month', month_start, max(day), month_start - 1 from meta.calendar group by month_start
union all
select 'quarter', quarter_start, max(day), quarter_start - 1 from meta.calendar group by quarter_start;

-- Groups of accounts that KPIs are computed for.
create table meta.grain (
    grain text primary key -- all, or a column of the account
);
insert into meta.grain values ('all'), ('tier'), ('csm'), ('industry'), ('region');
