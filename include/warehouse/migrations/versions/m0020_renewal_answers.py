"""What people answered about which deal continues which term."""

from alembic import op

revision = "0.1.0_0020"
down_revision = "0.1.0_0019"

TABLES = """
create table meta.renewal_answer (
    answer_id bigint generated always as identity primary key,
    term_id text not null,           -- the agreed term, as in core.agreed_term
    opportunity_key text not null,   -- the won deal; '*': any
    is_match boolean not null,       -- whether that deal continues the term
    reason text not null,
    answered_by text not null,
    origin text not null check (origin in ('file', 'cli')),
    known_from timestamptz not null,
    known_to timestamptz             -- null while it holds
);
create unique index renewal_answer_holds on meta.renewal_answer (term_id, opportunity_key) where known_to is null;
"""

GRANTS = """
grant select on meta.renewal_answer to perennial_loader, perennial_reader;
grant select, insert, update, delete on meta.renewal_answer to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
