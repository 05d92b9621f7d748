"""The review list: unmatched ids with suggestions, and counts of matched ids by method."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common.errors import WarehouseError
from include.entities.catalog import VENDORS, raw_table
from include.identity import account_merges, store
from include.identity.suggest import Candidate, Ranker, Subject, Suggestion
from include.warehouse.engine import engine

# Most important first: the id with the most records that count towards no account.
_OPEN = """
select
    b.source,
    b.source_id,
    b.entity,
    b.open_reason,
    coalesce(n.name, b.source_id) as name,
    coalesce(n.domains, '') as domains,
    coalesce(r.n_records, 0) as n_records
from core.account_bridge as b
left join (
    select
        source, organization_id as source_id, name, domains,
        row_number() over (partition by source, organization_id order by known_from desc, batch_id desc) as age
    from staging.stg_support__organization
    union all
    select
        source, product_account_id, name, domains,
        row_number() over (partition by source, product_account_id order by known_from desc, batch_id desc)
    from staging.stg_product__account
    union all
    select
        source, customer_id, name, domains,
        row_number() over (partition by source, customer_id order by known_from desc, batch_id desc)
    from staging.stg_billing__customer
) as n on n.source = b.source and n.source_id = b.source_id and n.age = 1
left join (
    select source, organization_id as source_id, count(*) as n_records
    from staging.stg_support__ticket group by source, organization_id
    union all
    select source, product_account_id, count(*) from staging.stg_product__user group by source, product_account_id
    union all
    select source, account_id, count(distinct opportunity_id) from staging.stg_crm__opportunity
    where is_won group by source, account_id
) as r on r.source = b.source and r.source_id = b.source_id
where b.account_key is null and b.open_reason <> 'answered: no account'
order by coalesce(r.n_records, 0) desc, b.source, b.source_id
"""
_ACCOUNTS = "select account_key, name, coalesce(domain, '') from core.account where not is_deleted"
_PEOPLE = """
select distinct account_key, split_part(lower(trim(email)), '@', 2)
from core.contact
where email like '%@%' and not is_deleted
"""
_USERS = """
select distinct source, account, split_part(lower(trim(email)), '@', 2)
from (
    select source, product_account_id as account, email from staging.stg_product__user where not is_bot
    union all
    select source, organization_id, email from staging.stg_support__user
) as users
where email like '%@%' and source = any(:sources) and account = any(:ids)
"""
_REFUSED = "select source, source_id, account_key from meta.identity_answer where not is_match and known_to is null"


@dataclass(frozen=True)
class UnmatchedId:
    """An id that waits for an answer.

    Args:
        source: The connection that uses it.
        entity: ``organization``, ``product_account`` or ``billing_customer``.
        name: Its name in its source.
        reason: Why it was not matched.
        n_records: Tickets, users or subscriptions that count towards no account until it is answered.
        suggestions: Likeliest first; often none.
    """

    source: str
    source_id: str
    entity: str
    name: str
    reason: str
    n_records: int
    suggestions: list[Suggestion] = field(default_factory=list)


def open_ids(source: str = "", limit: int = 50) -> list[UnmatchedId]:
    """Return the ids that wait for an answer, the one with the most uncounted records first.

    Args:
        source: Only of this connection.
        limit: Maximum number of ids.

    Raises:
        WarehouseError: Nothing is built yet.
    """
    with engine("reader").connect() as connection:
        must_be_built(connection)
        rows = [row for row in connection.execute(sa.text(_OPEN)) if not source or row.source == source][:limit]
        if not rows:
            return []
        ranker = _ranker(connection)
        refused: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one_source, source_id, account_key in connection.execute(sa.text(_REFUSED)):
            refused[one_source, source_id].add(account_key)
        people = _people(connection, rows)
    found = []
    for row in rows:
        key = (row.source, row.source_id)
        domains = frozenset(row.domains.split(",")) - {""}
        ranked = ranker.rank(Subject(row.name, domains, frozenset(people[key])), frozenset(refused[key]))
        found.append(UnmatchedId(*key, row.entity, row.name, row.open_reason, row.n_records, ranked))
    return found


def _ranker(connection: Connection) -> Ranker:
    shared = store.shared_domains()
    people: dict[str, set[str]] = defaultdict(set)
    for account_key, domain in connection.execute(sa.text(_PEOPLE)):
        if domain not in shared:
            people[account_key].add(domain)
    return Ranker(
        Candidate(key, name, domain, frozenset(people[key]))
        for key, name, domain in connection.execute(sa.text(_ACCOUNTS))
    )


def _people(connection: Connection, rows: list[Any]) -> dict[tuple[str, str], set[str]]:
    shared = store.shared_domains()
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    values = {"sources": sorted({row.source for row in rows}), "ids": sorted({row.source_id for row in rows})}
    for source, account, domain in connection.execute(sa.text(_USERS), values):
        if domain not in shared:
            found[source, account].add(domain)
    return found


def counts() -> list[dict[str, Any]]:
    """Return per source how many ids are matched, by method, and the share of unmatched ids."""
    with engine("reader").connect() as connection:
        must_be_built(connection)
        rows = connection.execute(sa.text(_COUNTS)).mappings().all()
    return [
        {**row, "unmatched_rate": f"{row['n_unmatched'] / row['n_ids']:.1%}" if row["n_ids"] else "-"} for row in rows
    ]


def contradictions() -> list[str]:
    """Return contradictions in the CRM, and answers that name unknown accounts, as sentences."""
    tables = [f"raw.{raw_table(vendor, 'account')}" for vendor, kind in VENDORS.items() if kind == "crm"]
    with engine("reader").connect() as connection:
        must_be_built(connection)
        cycles = account_merges.cycles(connection, tables)
        parents = connection.execute(sa.text(_CYCLES)).scalars().all()
        unknown = connection.execute(sa.text(_LOST_ANSWERS)).all()
    found = [
        f"{source}: accounts {', '.join(cycle)} form a cycle of merges; none of them is treated as merged"
        for source, cycle in cycles
    ]
    found += [
        f"{', '.join(members)} form a cycle of parents; each is treated as an account without a parent"
        for members in parents
    ]
    found += [
        f"{row.source} {row.source_id}: the answer names {row.account_key}, which is not a known account"
        for row in unknown
    ]
    return found


def must_be_built(connection: Connection) -> None:
    """Raise an error before the first build.

    Raises:
        WarehouseError: Nothing is built yet.
    """
    if not store.has_bridge(connection):
        raise WarehouseError("nothing is built yet", cure="run `python -m include.cli build` first")


_COUNTS = """
select
    source,
    entity,
    count(*) as n_ids,
    sum(cast(method in ('external_id', 'crm_account_id', 'crm_id', 'merged') as integer)) as n_by_id,
    sum(cast(method = 'domain' as integer)) as n_by_domain,
    sum(cast(method = 'answer' as integer)) as n_by_answer,
    sum(cast(coalesce(open_reason = 'answered: no account', false) as integer)) as n_no_account,
    sum(cast(account_key is null and open_reason <> 'answered: no account' as integer)) as n_unmatched
from core.account_bridge
group by source, entity
order by source, entity
"""
_CYCLES = """
select array_agg(account_key order by account_key)
from core.account_family
where is_in_circle
group by circle_key
order by min(account_key)
"""
_LOST_ANSWERS = """
select a.source, a.source_id, a.account_key
from meta.identity_answer as a
left join core.account_bridge as b on b.source || ':' || b.source_id = a.account_key and b.entity = 'account'
where a.known_to is null and a.account_key <> '*' and b.source is null
order by a.source, a.source_id
"""
