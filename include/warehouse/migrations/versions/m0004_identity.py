"""Identity: merges with both times of knowing, domains that name nobody, and what people answered."""

from alembic import op

revision = "0.1.0_0004"
down_revision = "0.1.0_0003"

TABLES = """
alter table meta.account_merge rename to account_merge_history;
alter table meta.account_merge_history
    add column merged_at timestamptz, -- the CRM's clock of the merge
    add column known_to timestamptz;  -- until when it was what we knew; null while it still is
alter table meta.account_merge_history drop constraint account_merge_pkey;
alter table meta.account_merge_history add primary key (source, loser_id, batch_id);
create unique index account_merge_now on meta.account_merge_history (source, loser_id) where known_to is null;
create view meta.account_merge as
select source, loser_id, survivor_id, batch_id, known_from, merged_at
from meta.account_merge_history
where known_to is null;

-- Mail providers and domains that several customers share: no account is matched by them.
create table meta.shared_domain (domain text primary key);

-- What people answered about which account an id means. account_key '*' with is_match false: none at all.
create table meta.identity_answer (
    answer_id bigint generated always as identity primary key,
    source text not null,
    source_id text not null,
    account_key text not null,
    is_match boolean not null,
    reason text not null,
    answered_by text not null,
    origin text not null check (origin in ('file', 'cli')),
    known_from timestamptz not null,
    known_to timestamptz
);
create unique index identity_answer_now on meta.identity_answer (source, source_id, account_key)
    where known_to is null;
create unique index identity_answer_one_match on meta.identity_answer (source, source_id)
    where known_to is null and is_match;
"""

GRANTS = """
grant select on meta.account_merge, meta.shared_domain, meta.identity_answer
    to perennial_loader, perennial_builder, perennial_reader;
grant insert, update, delete on meta.shared_domain, meta.identity_answer to perennial_builder;
grant insert on meta.dirty_range to perennial_builder;
"""


def upgrade() -> None:
    for part in (TABLES, GRANTS):
        op.get_bind().exec_driver_sql(part)
