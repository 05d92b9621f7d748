"""What people answered about which deal continues which term."""

from alembic import op

revision = "0.1.0_0020"
down_revision = "0.1.0_0019"

TABLES = """
create table meta.renewal_answer (
    answer_id bigint generated always as identity primary key,
    term_id text not null,           -- the agreed term, as in core.agreed_term
    opportunity_key text not null,   -- the won deal; '*' with is_match false: no deal at all
    account_key text,                -- the account of the term, as far as it was known
    is_match boolean not null,       -- whether that deal continues the term
    reason text not null,
    answered_by text not null,
    origin text not null check (origin in ('file', 'cli')),
    known_from timestamptz not null,
    known_to timestamptz             -- null while it holds
);
-- Links between terms and deals that a build took back or changed: what core.continuation held before.
create table meta.former_continuation (
    term_id text not null,
    opportunity_key text not null,
    product text not null,
    account_key text not null,
    method text not null,
    confidence double precision not null,
    next_start date,
    renewed_arr numeric(18, 2),
    build_id text not null,          -- the build that replaced it
    known_to timestamptz not null    -- until when it was what was known
);
create index former_continuation_term on meta.former_continuation (term_id);
create unique index renewal_answer_holds on meta.renewal_answer (term_id, opportunity_key) where known_to is null;
"""

GRANTS = """
grant select on meta.renewal_answer, meta.former_continuation to perennial_loader, perennial_reader;
grant select, insert, update, delete on meta.renewal_answer, meta.former_continuation to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
