"""What managers were told of signals, and which signals were ever looked at."""

from alembic import op

revision = "0.1.0_0011"
down_revision = "0.1.0_0010"

TABLES = """
alter table ops.episode
    add column told_as text not null default '' check (told_as in ('', 'alert', 'digest', 'waiting', 'silent')),
    add column told_step text not null default '', -- opened, worse
    add column told_on date;

-- A signal opens what holds already in silence when it is looked at for the first time.
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
