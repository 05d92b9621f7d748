"""What KPIs need besides the facts: settings as tables, what is frozen, restatements, overrides, definitions in use."""

from alembic import op

revision = "0.1.0_0008"
down_revision = "0.1.0_0007"

TABLES = """
-- The settings that models read, as they were when the last build was planned.
create table meta.plan_rate (
    currency text not null,
    from_day date not null,
    to_day date not null, -- exclusive
    rate numeric not null,
    primary key (currency, from_day)
);
create table meta.urgent_limit (
    tier text primary key, -- 'default' for all others
    hours int not null
);
create table meta.sla_target (
    priority text primary key,
    first_reply_minutes int not null,
    resolution_minutes int not null
);
create table meta.forecast_category (
    stage text primary key, -- '' without a deal, '*' for all other stages
    category text not null,
    probability numeric not null
);

-- Up to which day a table of materialisation frozen has taken its rows: what was missing by then stays missing.
create table meta.frozen (
    model text primary key,
    upto date not null
);

-- What was shown before a value of a closed period changed. The value as first reported is the oldest row's, or the one
-- in the table where there is none.
create table meta.kpi_restatement (
    restatement_id bigint generated always as identity primary key,
    metric_id text not null,
    metric_version int not null,
    period text not null,
    period_start date not null,
    as_of date not null,
    grain text not null,
    grain_key text not null,
    was_reported boolean not null, -- false: the group had no value before
    value double precision,
    numerator numeric,
    denominator numeric,
    n bigint,
    coverage double precision,
    known_to timestamptz not null, -- what was known then replaced it
    reason text not null,
    build_id text not null
);
create index kpi_restatement_of on meta.kpi_restatement (metric_id, as_of, period, grain, grain_key);
create index kpi_restatement_build on meta.kpi_restatement (build_id);

-- The definitions that values were made with: one must not change under its version.
create table meta.metric_definition (
    metric_id text not null,
    metric_version int not null,
    definition_hash text not null,
    definition jsonb not null,
    first_used_at timestamptz not null default now(),
    primary key (metric_id, metric_version)
);

-- Corrections by hand, shown wherever the value counts; what was computed stays as it is.
create table meta.kpi_override (
    override_id bigint generated always as identity primary key,
    metric_id text not null,
    period text not null,
    as_of date not null,
    grain text not null,
    grain_key text not null,
    value double precision not null,
    reason text not null check (reason <> ''),
    entered_by text not null,
    approved_by text not null check (approved_by <> ''),
    entered_at timestamptz not null default now(),
    expires_on date not null,
    withdrawn_at timestamptz,
    withdrawn_because text not null default ''
);
create index kpi_override_of on meta.kpi_override (metric_id, as_of);
"""

GRANTS = """
grant select on meta.plan_rate, meta.urgent_limit, meta.sla_target, meta.forecast_category, meta.frozen,
    meta.kpi_restatement, meta.metric_definition, meta.kpi_override
    to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.plan_rate, meta.urgent_limit, meta.sla_target, meta.forecast_category,
    meta.frozen, meta.kpi_restatement, meta.metric_definition, meta.kpi_override to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
