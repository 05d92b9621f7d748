"""What a run may not do without a person's word, and what of a run was taken back."""

from alembic import op

revision = "0.1.0_0013"
down_revision = "0.1.0_0012"

TABLES = """
create table ops.approval (
    approval_id text primary key,
    run_id text not null,           -- the decision whose actions were too many
    state text not null default 'open' check (state in ('open', 'approved', 'rejected', 'lapsed')),
    reason text not null,           -- which cap, and by how much
    authors text[] not null,        -- who changed what led to it: they may not approve it
    asked_at timestamptz not null,
    lapses_at timestamptz not null,
    answered_at timestamptz,
    answered_by text not null default '',
    note text not null default ''
);
create index approval_open on ops.approval (lapses_at) where state = 'open';

alter table ops.outbox
    add column run_id text not null default '', -- the decision that planned it first; decision_id is that of its text
    add column approval_id text references ops.approval,
    add column undo text not null default '' check (undo in ('', 'asked', 'done', 'stays')),
    add column undo_because text not null default '',
    drop constraint outbox_state_check,
    add constraint outbox_state_check check (state in
        ('planned', 'parked', 'sending', 'sent', 'uncertain', 'failed', 'suppressed', 'expired'));
update ops.outbox set run_id = decision_id;
create index outbox_run on ops.outbox (run_id);
create index outbox_undo on ops.outbox (channel) where undo = 'asked';
"""

GRANTS = """
grant select on ops.approval to perennial_loader, perennial_reader;
grant select, insert, update, delete on ops.approval to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
