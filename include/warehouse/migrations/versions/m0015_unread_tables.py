"""Tables about tickets that nobody read are gone: what they held, texts among it, would be looked after by nobody."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    for table in ("ticket_comment", "ticket_event", "ticket_reply", "ticket_step"):
        op.get_bind().exec_driver_sql(f"drop table if exists core.{table}")
