"""Health: the CSM's pulse, overrides by a lead, and how good the score was, month by month."""

from alembic import op

revision = "0.1.0_0021"
down_revision = "0.1.0_0020"

TABLES = """
create table meta.health_pulse (
    pulse_id bigint generated always as identity primary key,
    account_key text not null,
    given_on date not null,          -- the day that it is about
    score integer not null check (score between 1 and 5),
    why text not null,
    given_by text not null,
    known_from timestamptz not null,
    known_to timestamptz             -- null while it holds; a later one of the same day replaces it
);
create unique index health_pulse_holds on meta.health_pulse (account_key, given_on) where known_to is null;
create table meta.health_override (
    override_id bigint generated always as identity primary key,
    account_key text not null,
    score numeric(5, 2) not null check (score between 0 and 100),
    reason text not null,
    given_by text not null,
    from_day date not null,
    until date not null check (until > from_day and until <= from_day + 60),  -- exclusive
    known_from timestamptz not null,
    known_to timestamptz             -- null while it holds
);
create unique index health_override_holds on meta.health_override (account_key, from_day) where known_to is null;
-- A month is judged once it is over, by what was known at each checkpoint, and again where more has been settled.
create table meta.health_backtest (
    month date primary key,
    profile text not null,           -- name and version by whose points sub-scores are computed
    n_losses int not null,
    n_left_out int not null,         -- renewals that are not settled
    red_multiple double precision,   -- loss rate of red accounts over that of all
    lost_below_green double precision,
    share_green double precision,
    lead_days double precision,
    coverage double precision,
    warnings text[] not null,
    judged_at timestamptz not null
);
create table meta.health_backtest_method (
    month date not null references meta.health_backtest on delete cascade,
    method text not null,            -- score, learned, a measure alone, equal weights ...
    days_before int not null,
    n int not null,
    n_lost int not null,
    auc double precision,
    low double precision,
    high double precision,
    auc_arr double precision,
    lift double precision,
    brier double precision,
    intercept double precision,
    slope double precision,
    primary key (month, method, days_before)
);
"""

GRANTS = """
grant select on meta.health_pulse, meta.health_override, meta.health_backtest, meta.health_backtest_method
    to perennial_loader, perennial_reader;
grant select, insert, update, delete
    on meta.health_pulse, meta.health_override, meta.health_backtest, meta.health_backtest_method to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
