"""Quarantine knows the content of a row, so that what lies there unchanged is known when it is read again."""

from alembic import op

revision = "0.1.0_0016"
down_revision = "0.1.0_0015"

# As `include.contracts.aside.content` makes it.
_CONTENT = """
alter table quarantine.record add column content text not null default '';
update quarantine.record
set content = md5(cast(
    record - array['_row', '_failed', '_source_at', 'payload', 'updated_at', 'generated_at'] as text))
where record is not null;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_CONTENT)
