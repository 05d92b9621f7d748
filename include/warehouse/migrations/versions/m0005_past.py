"""How far the vendors' own history has been read."""

from alembic import op

revision = "0.1.0_0005"
down_revision = "0.1.0_0004"

TABLES = """
create table meta.history (
    source text not null,
    entity text not null,
    mark jsonb,              -- goes on there
    n_states bigint not null default 0,
    finished_at timestamptz, -- null until the last page was stored
    problem text not null default '', -- why the last attempt ended early
    updated_at timestamptz not null,
    primary key (source, entity)
);
grant select on meta.history to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.history to perennial_loader;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(TABLES)
