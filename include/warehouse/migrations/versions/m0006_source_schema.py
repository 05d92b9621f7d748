"""The fields that each source says it has, and how they changed."""

from alembic import op

revision = "0.1.0_0006"
down_revision = "0.1.0_0005"

TABLES = """
-- The fields of one entity's object at its source, as last described.
create table meta.source_schema (
    source text not null,
    entity text not null,
    fields jsonb not null, -- name -> the source's own type
    seen_at timestamptz not null,
    primary key (source, entity)
);

-- One row per noticed change; its owner is notified once.
create table meta.schema_change (
    change_id bigint generated always as identity primary key,
    source text not null,
    entity text not null,
    kind text not null check (kind in ('new', 'removed', 'renamed', 'retyped')),
    field text not null,
    was text not null,         -- its type, or for 'renamed' its former name; '' where new
    is_now text not null,      -- its type; '' where removed
    fills text not null,       -- the columns that are mapped from it, comma-separated
    noticed_at timestamptz not null,
    notified_at timestamptz
);
create index schema_change_of on meta.schema_change (source, entity, field);
"""

GRANTS = """
grant select on meta.source_schema, meta.schema_change to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.source_schema, meta.schema_change to perennial_loader;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
