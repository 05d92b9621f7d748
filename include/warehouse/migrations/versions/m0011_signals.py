"""Which signals a CSM was notified of, and which were ever evaluated."""

from alembic import op

revision = "0.1.0_0011"
down_revision = "0.1.0_0010"

TABLES = """
alter table ops.episode
    add column notified_as text not null default '' check (notified_as in ('', 'alert', 'digest', 'waiting', 'silent')),
    add column notified_step text not null default '', -- opened, worse
    add column notified_on date;

-- A signal opens what holds already in silence when it is evaluated for the first time.
create table ops.signal (
    signal text primary key,
    first_scan_on date not null
);
"""

GRANTS = """
grant select on ops.signal to perennial_loader, perennial_reader;
grant select, insert, update, delete on ops.signal to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
