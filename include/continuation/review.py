"""Open questions about contracts and renewals, with the deals or terms that may belong together."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from include.common import clock
from include.common.errors import WarehouseError
from include.common.texts import N_
from include.warehouse.engine import engine, has_table

# Kind -> its meaning, and how to fix it.
MEANING = {
    "unsure_link": N_("it is unclear whether this deal renews this term: answer with `renewals link` or `unlink`"),
    "dates_missing": N_("the renewal deal has no dates or repeats the old ones: set its start and end in the CRM"),
    "no_rate": N_("the renewal was won in a currency without a plan rate: add it to `plan_rates` in config/kpis.yaml"),
    "copy": N_(
        "a line repeats one of another won deal and is counted once: if both are real, correct its dates or amount"
    ),
    "continues_nothing": N_(
        "a won renewal deal continues no term, but a term of its account ends: use `renewals link`"
    ),
    "no_open_deal": N_("the renewal decision is due within 90 days and no renewal deal is open: create one in the CRM"),
    "no_term": N_("a won deal has no line items, no end and no length, and is in no figure: set one if it recurs"),
    "signed_late": N_(
        "won over a quarter after its start and counted from then: correct the close date if that is wrong"
    ),
    "date_passed": N_("a company's renewal date has passed but its ARR is still set: set the next date or clear it"),
    "end_moved": N_("the end was moved but not the amount, so the yearly rate is kept: correct it if that is wrong"),
    "no_account": N_(
        "a won deal or subscription has no known company and is in no figure: assign one (`identity review`)"
    ),
}

# Kinds that make figures wrong until somebody corrects the CRM: the source's owner is notified of them. For the other
# kinds, figures use a safe default; they are shown on the pages and in `renewals review`.
NOTIFIED = ("no_account", "continues_nothing", "no_open_deal", "dates_missing", "date_passed")


@dataclass(frozen=True)
class Unreported:
    """New findings of one kind in one source since its owner was last notified.

    Args:
        kind: A key of ``MEANING``.
        n: Number of new findings.
        arr: ARR that depends on them, in the reporting currency.
        share: The same as a share of all ARR, from 0 to 1.
        keys: Keys of the findings, for ``note_notified``.
    """

    kind: str
    n: int
    arr: float
    share: float
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One finding to review.

    Args:
        kind: A key of ``MEANING``.
        account: Name of the account.
        subject: The term, renewal or line.
        deal: The deal.
        due: Its due date, end or start.
        arr: ARR that depends on it, in the reporting currency.
        method: For a link, how it was matched.
        confidence: For a link, from 0 to 1.
        suggestions: Deals for a term, or terms for a deal, nearest first.
    """

    kind: str
    account: str
    subject: str
    deal: str
    due: str
    arr: float
    method: str
    confidence: float | None
    suggestions: tuple[str, ...] = ()


def findings(kind: str = "", limit: int = 50) -> list[Finding]:
    """Return the findings to review, the most ARR first.

    Args:
        kind: Only of this kind.
        limit: Maximum number of findings.

    Raises:
        WarehouseError: Nothing is built yet.
    """
    with engine("reader").connect() as connection:
        _must_be_built(connection)
        rows = connection.execute(_FINDINGS, {"kind": kind, "limit": limit}).all()
        terms = _suggested(connection, _TERMS, [row.opportunity_key for row in rows if row.kind == "continues_nothing"])
        deals = _suggested(connection, _DEALS, [row.subject_id for row in rows if row.kind == "unsure_link"])
    return [
        Finding(
            row.kind,
            row.account,
            row.subject_id,
            row.opportunity_key,
            row.due_date.isoformat() if row.due_date else "",
            float(row.arr or 0),
            row.method or "",
            row.confidence,
            terms.get(row.opportunity_key, ()) if row.kind == "continues_nothing" else deals.get(row.subject_id, ()),
        )
        for row in rows
    ]


def links(term_id: str) -> list[dict[str, object]]:
    """Return the deals that continue a term, and former matches, newest first.

    Args:
        term_id: The agreed term, such as ``crm:4711#1``.
    """
    with engine("reader").connect() as connection:
        _must_be_built(connection)
        return [dict(row) for row in connection.execute(_LINKS, {"term_id": term_id}).mappings()]


def summary(connection: sa.Connection) -> list[dict[str, object]]:
    """Return per kind the number of findings and their share of ARR; empty before the first build."""
    if not has_table(connection, "core.renewal_review"):
        return []
    return [
        {**row, "share_of_arr": f"{row['share_of_arr']:.1%}", "cure": MEANING[row["kind"]]}
        for row in connection.execute(_SUMMARY).mappings()
    ]


def unreported(source_id: str) -> list[Unreported]:
    """Return the findings that the source's owner was not notified of, most ARR first.

    Each kind is returned at most once a day.
    """
    with engine("reader").connect() as connection:
        if not has_table(connection, "core.renewal_review"):
            return []
        bound = {"source": source_id, "kinds": list(NOTIFIED), "today": clock.now().date()}
        return [
            Unreported(row.kind, row.n, float(row.arr), float(row.share), tuple(row.keys))
            for row in connection.execute(_UNREPORTED, bound)
        ]


def note_notified(source_id: str, reported: Unreported) -> None:
    """Record that the owner was notified."""
    keys = [*reported.keys, f"contracts/{source_id}/{reported.kind}"]
    with engine("loader").begin() as connection:
        connection.execute(_NOTIFIED, {"keys": keys, "now": clock.now()})


def _must_be_built(connection: sa.Connection) -> None:
    if not has_table(connection, "core.renewal_review"):
        raise WarehouseError("nothing is built yet", cure="run `python -m include.cli build`")


def _suggested(connection: sa.Connection, query: sa.TextClause, ids: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    if ids:
        for one, suggestion in connection.execute(query, {"ids": ids}):
            found.setdefault(one, []).append(suggestion)
    return {one: tuple(suggestions) for one, suggestions in found.items()}


# Won deals without a known company are in no core table.
_ALL = """
    select f.kind, coalesce(a.name, f.account_key) as account, f.subject_id, f.opportunity_key, f.due_date, f.arr,
        f.method, f.confidence
    from core.renewal_review as f
    left join core.account as a on a.account_key = f.account_key
    union all
    select 'no_account', '', coalesce(o.source || ':' || o.account_id, ''), min(o.source || ':' || o.opportunity_id),
        min(o.close_date),
        round(sum(coalesce(l.arr, o.amount * case when o.currency is null then 1 else r.rate end, l.amount)), 2), null,
        null
    from (
        select *, row_number() over (partition by source, opportunity_id order by known_from desc, batch_id desc) as age
        from staging.stg_crm__opportunity
    ) as o
    left join core.account_bridge as b on b.source = o.source and b.source_id = o.account_id
    left join (
        -- Of a line with an end the amount as entered: without an account there is no term to compute a year from.
        select v.source, v.opportunity_id,
            sum(v.amount * case when v.currency is null then 1 else r.rate end) filter (where v.is_evergreen) as arr,
            sum(v.amount * case when v.currency is null then 1 else r.rate end) as amount
        from (
            select *, row_number() over (partition by source, line_id order by known_from desc, batch_id desc) as age
            from staging.stg_crm__contract_line
        ) as v
        left join meta.plan_rate as r
            on r.currency = v.currency and r.from_day <= current_date and r.to_day > current_date
        where v.age = 1 and v.is_recurring and not v.is_deleted
            and (v.term_end is null or v.term_end > current_date)
        group by v.source, v.opportunity_id
    ) as l on l.source = o.source and l.opportunity_id = o.opportunity_id
    left join meta.plan_rate as r
        on r.currency = o.currency and r.from_day <= current_date and r.to_day > current_date
    where o.age = 1 and o.is_won and not o.is_deleted and (o.amount > 0 or l.opportunity_id is not null)
        and b.account_key is null
    -- One for each customer of a billing system or company that nobody knows; a deal that names none is one by itself.
    group by o.source, o.account_id, case when o.account_id is null then o.opportunity_id end
"""
_FINDINGS = sa.text(
    f"select * from ({_ALL}) as f where :kind in ('', f.kind)"  # noqa: S608 - texts of this file
    " order by coalesce(f.arr, 0) desc, f.kind, f.subject_id, f.opportunity_key limit :limit"
)
# All of it while no ARR is counted, as before any customer is matched.
_SHARE = (
    "coalesce(coalesce(sum(f.arr), 0) / nullif((select sum(s.arr) from (select arr, row_number() over"
    " (partition by account_key order by from_day desc) as age from core.arr_step where from_day <= current_date) as s"
    " where s.age = 1), 0), 1)"
)
_SUMMARY = sa.text(
    "select f.kind, count(*) as n, cast(coalesce(sum(f.arr), 0) as double precision) as arr,"  # noqa: S608
    f" {_SHARE} as share_of_arr from ({_ALL}) as f group by f.kind order by 3 desc"
)
_UNREPORTED = sa.text(f"""
    select f.kind, count(*) as n, coalesce(sum(f.arr), 0) as arr, {_SHARE} as share, array_agg(f.key) as keys
    from (
        select *, 'contracts/' || md5(concat_ws('|', kind, subject_id, opportunity_key)) as key from ({_ALL}) as a
    ) as f
    where f.kind = any(:kinds) and split_part(coalesce(nullif(f.subject_id, ''), f.opportunity_key), ':', 1) = :source
        and not exists (select from meta.notice as n where n.key = f.key)
        and not exists (
            select from meta.notice as n
            where n.key = 'contracts/' || :source || '/' || f.kind
                and cast(n.notified_at at time zone 'UTC' as date) >= :today
        )
    group by f.kind
    order by 3 desc
""")  # noqa: S608 - texts of this file
_NOTIFIED = sa.text(
    "insert into meta.notice (key, failing_since, failed_at, notified_at) select key, :now, :now, :now"
    " from unnest(cast(:keys as text[])) as k (key) on conflict (key) do update set notified_at = :now"
)
_LINKS = sa.text(
    "select opportunity_key as deal, product, method, confidence, next_start as start, renewed_arr as arr,"
    " 'now' as known, cast(null as timestamptz) as known_to from core.continuation where term_id = :term_id"
    " union all select opportunity_key, product, method, confidence, next_start, renewed_arr, 'restated', known_to"
    " from meta.former_continuation where term_id = :term_id order by known_to desc nulls first, deal, product"
)
_TERMS = sa.text(
    "select o.opportunity_key, t.term_id from core.opportunity as o"
    " join core.account_family as f on f.account_key = o.account_key"
    " join core.account_family as g on g.ultimate_parent_key = f.ultimate_parent_key"
    " join core.agreed_term as t on t.account_key = g.account_key"
    " left join core.continuation as c on c.term_id = t.term_id"
    " where o.opportunity_key = any(:ids) and c.term_id is null and t.opportunity_key <> o.opportunity_key"
    " order by o.opportunity_key, abs(coalesce(o.term_start, o.close_date) - t.due_date), t.term_id"
)
_DEALS = sa.text(
    "select t.term_id, o.opportunity_key from core.agreed_term as t"
    " join core.account_family as f on f.account_key = t.account_key"
    " join core.account_family as g on g.ultimate_parent_key = f.ultimate_parent_key"
    " join core.opportunity as o on o.account_key = g.account_key and o.is_won and not o.is_deleted"
    " where t.term_id = any(:ids) and o.opportunity_key <> t.opportunity_key and o.close_date > t.committed_on"
    " and abs(o.close_date - t.due_date) < 366"
    " order by t.term_id, abs(o.close_date - t.due_date), o.opportunity_key"
)
