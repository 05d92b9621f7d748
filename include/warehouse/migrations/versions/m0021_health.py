"""What people say about an account's health: the CSM's pulse, and overrides by a lead."""

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
create unique index health_override_holds on meta.health_override (account_key) where known_to is null;
"""

GRANTS = """
grant select on meta.health_pulse, meta.health_override to perennial_loader, perennial_reader;
grant select, insert, update, delete on meta.health_pulse, meta.health_override to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
