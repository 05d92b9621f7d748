"""Who was erased, as hashes, and a record of each erasure without personal data."""

from alembic import op

revision = "0.1.0_0010"
down_revision = "0.1.0_0009"

TABLES = """
create table meta.erasure (
    erasure_id bigint generated always as identity primary key,
    kind text not null check (kind in ('person', 'account')),
    subject_hash text not null,
    reason text not null,
    asked_by text not null,
    counts jsonb not null,   -- store -> rows
    erased_at timestamptz not null
);
create table meta.suppression (
    hash text primary key,   -- of an address, a record or an account, salted with the installation's id
    erasure_id bigint not null references meta.erasure
);
create table meta.housekeeping (
    run_at timestamptz not null,
    store text not null,
    n_deleted bigint not null,
    is_complete boolean not null, -- false: the run's limit was reached, the next one resumes
    primary key (run_at, store)
);
grant select on meta.erasure, meta.suppression, meta.housekeeping
    to perennial_loader, perennial_builder, perennial_reader;
grant insert, delete on meta.housekeeping to perennial_loader;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(TABLES)
