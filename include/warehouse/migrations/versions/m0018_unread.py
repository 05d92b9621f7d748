"""What is not completely read yet, and the metrics that are therefore not available."""

from alembic import op

revision = "0.1.0_0018"
down_revision = "0.1.0_0017"

_SQL = """
create table meta.unread (
    source text not null,
    entity text not null,
    from_day date not null, -- figures of this day and later are not available; 1990-01-01: none of it was ever whole
    primary key (source, entity)
);
create table meta.metric_gap (
    metric_id text primary key,
    from_day date not null  -- the metric has no value in periods that end on this day or later
);
grant select on meta.unread, meta.metric_gap to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.unread, meta.metric_gap to perennial_builder;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_SQL)
