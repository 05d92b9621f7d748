"""What the customer value score reads of the settings, and what a question to a person is about."""

from alembic import op

revision = "0.1.0_0022"
down_revision = "0.1.0_0021"

TABLES = """
create table meta.tier_policy (
    tier text primary key,           -- 'default' for all others
    cadence_days int not null,
    services_cost double precision not null
);
create table meta.account_brand (
    account_key text primary key,
    brand text not null
);
-- caps: actions above the caps of a run; tiers: proposed changes of customers' tiers.
alter table ops.approval add column about text not null default 'caps' check (about in ('caps', 'tiers'));
"""

GRANTS = """
grant select on meta.tier_policy, meta.account_brand to perennial_loader, perennial_reader;
grant select, insert, update, delete on meta.tier_policy, meta.account_brand to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
