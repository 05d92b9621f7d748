"""What people answered in the CRM's tasks, and what follows for the episodes that they are about."""

from alembic import op

revision = "0.1.0_0014"
down_revision = "0.1.0_0013"

TABLES = """
-- Tasks that were written, as the CRM showed them when they were last read back.
create table ops.task (
    key text primary key,                   -- of the outbox's row
    state text not null check (state in ('open', 'started', 'done', 'deleted')),
    due_on date,
    owner_id text not null default '',      -- in the CRM; '' for nobody
    outcome text not null default '',       -- what the person wrote or chose when it was completed
    changed_at timestamptz,                 -- by the CRM's clock
    read_at timestamptz not null
);

alter table ops.episode
    add column answer text not null default '',        -- of the person who closed it; '' if nobody did
    add column snoozed_until date,                     -- the task's new due date: nothing is told before
    add column assignee_key text not null default '',  -- whom the task was given to; '' for the account's own manager
    add column escalated_to text not null default '' check (escalated_to in ('', 'lead', 'head')),
    add column escalated_on date;

create index outbox_about on ops.outbox (entity_kind, entity_id);
"""

GRANTS = """
grant select on ops.task to perennial_loader, perennial_reader;
grant select, insert, update, delete on ops.task to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
