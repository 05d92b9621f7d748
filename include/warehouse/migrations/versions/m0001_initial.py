"""Create the warehouse's own tables of version 0.1.0."""

from pathlib import Path

from alembic import op

from include.warehouse.migrations import comments

revision = "0.1.0"
down_revision = None

FOLDER = Path(__file__).parents[1] / "v0_1_0"
FILES = (
    "ingest", "quarantine", "gate", "models", "settings", "identity", "metrics", "decide", "experiments", "analyses",
    "discounts", "triage", "requests", "releases", "outbox", "reports", "touches", "ledger",
)  # fmt: skip


def upgrade() -> None:
    for name in FILES:
        definitions = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(";\n".join((definitions.rstrip(";\n"), *comments.statements(definitions))))
