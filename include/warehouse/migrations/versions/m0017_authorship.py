"""What an approval knows of the overlay: its state, whether its authors are known, and answers that did not count."""

from alembic import op

revision = "0.1.0_0017"
down_revision = "0.1.0_0016"

COLUMNS = """
alter table ops.approval
    add column overlay jsonb not null default '{}',              -- its state when the question was asked
    add column is_author_known boolean not null default false,   -- if not, only named approvers may approve
    add column refusals jsonb not null default '[]';             -- who answered in vain, when and why
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(COLUMNS)
