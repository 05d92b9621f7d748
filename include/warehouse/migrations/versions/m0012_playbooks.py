"""Playbooks as they were when something began with them, and for whom one was held out."""

from alembic import op

revision = "0.1.0_0012"
down_revision = "0.1.0_0011"

TABLES = """
alter table ops.episode
    add column arm text not null default '' check (arm in ('', 'acted', 'held_out')); -- of playbooks only

-- What runs continues with the version it began with, whatever the file says by then.
create table ops.playbook_version (
    playbook text not null,
    version int not null,
    content jsonb not null,
    first_started_on date not null,
    primary key (playbook, version)
);
"""

GRANTS = """
grant select on ops.playbook_version to perennial_loader, perennial_reader;
grant select, insert, update, delete on ops.playbook_version to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
