"""What the builds keep: which changes they carry from table to table, and the calendars the models join to."""

from alembic import op

revision = "0.1.0_0003"
down_revision = "0.1.0_0002"

TABLES = """
-- What changed in one table (a raw entity or a model) and has to be carried into the tables that read it.
create table meta.build_change (
    change_id bigint generated always as identity primary key,
    build_id text not null,
    origin text not null,      -- raw.<entity>, or the name of a model
    account_key text not null, -- '*' for all
    from_day date,             -- null: from the first day
    to_day date,               -- exclusive; null: open
    copy_of bigint             -- the change of an unfinished build that this build carries on
);
create index build_change_of on meta.build_change (build_id, origin);

-- The dirty ranges that a build claimed; ids are not taken in the order in which they commit, so no bound would do.
create table meta.build_dirty (
    build_id text not null,
    dirty_id bigint not null,
    primary key (build_id, dirty_id)
);

create table meta.calendar (
    day date primary key,
    day_no int not null unique,
    month_no int not null,
    day_of_month int not null,
    days_in_month int not null,
    week_start date not null,
    month_start date not null,
    quarter_start date not null,
    is_month_end boolean not null,
    is_working_day boolean not null,
    day_12m_ago date not null
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

-- as_of is the period's last day, before_start the day before its first: their closes are its end and its start.
create table meta.period (
    period text not null check (period in ('day', 'week', 'month', 'quarter')),
    period_start date not null,
    as_of date not null,
    before_start date not null,
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

create table meta.grain (grain text primary key);
insert into meta.grain values ('all'), ('tier'), ('csm'), ('industry'), ('region');

-- The settings that models read, as they were when the last build was planned.
create table meta.feature (
    feature text primary key,
    is_value_event boolean not null,
    is_key_feature boolean not null
);
create table meta.grace_days (
    tier text primary key, -- 'default' for all others
    days int not null
);
create table meta.exclusion (
    account_key text primary key,
    reason text not null,
    owner text not null,
    until date not null
);
create table meta.source (
    source text primary key,
    kind text not null
);

alter table meta.build
    add column newest_day date not null,  -- the day that counts as today in this build
    add column first_day date not null,   -- where the windowed tables start
    -- first; day: a new day; work: only what changed; rebuild: of a window
    add column trigger text not null check (trigger in ('first', 'day', 'work', 'rebuild')),
    add column because text not null default '';
alter table meta.build drop constraint build_state_check;
alter table meta.build add constraint build_state_check
    check (state in ('running', 'done', 'failed', 'superseded'));
alter table meta.build_model
    add column n_changed bigint not null default 0,
    add column scope text not null default '',
    add column because text not null default '';

-- What each table was made by. A table whose model has another one today is made again.
create table meta.model_fingerprint (
    model text primary key,
    query text not null,     -- of its query and those of the views that it reads, without comments and layout
    settings jsonb not null, -- what it takes as parameters
    build_id text not null,  -- which wrote it
    because text not null    -- what differed from the one before
);
"""

GRANTS = """
grant select on meta.build_change, meta.build_dirty, meta.calendar, meta.period, meta.grain, meta.feature,
    meta.grace_days, meta.exclusion, meta.source, meta.model_fingerprint
    to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.build_change, meta.build_dirty, meta.feature, meta.grace_days, meta.exclusion,
    meta.source, meta.model_fingerprint to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
