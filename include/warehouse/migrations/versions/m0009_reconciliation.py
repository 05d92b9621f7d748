"""How each entity stood when it was last held against its source."""

from alembic import op

revision = "0.1.0_0009"
down_revision = "0.1.0_0008"

TABLES = """
create table meta.reconciliation (
    source text not null,
    entity text not null,
    state text not null check (state in ('equal', 'resolved', 'held', 'failed')),
    compared_by text not null default '', -- counts, ids or full read
    n_source bigint,  -- null where nobody counted
    n_raw bigint,
    n_missing bigint, -- at the source and not here
    n_gone bigint,    -- here and no longer at the source
    note text not null default '',
    reconciled_at timestamptz not null,
    primary key (source, entity)
);
grant select on meta.reconciliation to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.reconciliation to perennial_loader;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(TABLES)
