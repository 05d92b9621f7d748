"""Ask for a discount on a renewal, answer a request, and read what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include import config
from include.analyses import discounts
from include.analyses.discounts import Check
from include.common.errors import ConfigError
from include.config.discounts import Trade
from include.config.viewers import Viewer
from include.warehouse import locks
from include.warehouse.engine import engine, has_table


@dataclass(frozen=True)
class Renewal:
    """An open renewal, as an offer needs it.

    Args:
        list_arr: Annual list price of its lines; None if a line has none.
        term_months: Length of the term that ends.
    """

    renewal_id: str
    account_key: str
    account_name: str
    tier: str | None
    band: str | None
    days_to_decision: int
    owner_email: str | None
    owner_team: str | None
    target_arr: Decimal
    term_months: int | None
    list_arr: Decimal | None


def renewal(connection: sa.Connection, renewal_id: str) -> Renewal:
    """Return an open renewal.

    Raises:
        ConfigError: There is none of this id.
    """
    row = None
    if has_table(connection, "marts.act_renewal_checkpoint"):
        row = connection.execute(_RENEWAL, {"renewal_id": renewal_id}).mappings().one_or_none()
    if row is None:
        raise ConfigError(
            f"no open renewal {renewal_id}", cure="python -m include.cli score forecast --lines lists them"
        )
    return Renewal(**row)


def check(found: Renewal, offer: Decimal, months: int | None = None) -> Check:
    """Check an offer on a renewal against the ladder.

    Raises:
        ConfigError: Its list price is not available.
    """
    if found.list_arr is None or found.list_arr <= 0:
        raise ConfigError(
            f"the list price of {found.renewal_id} is not available: a line of the contract has none",
            cure="map contract_line.list_amount to the list price in your CRM",
        )
    return discounts.check(
        config.load().discounts,
        float(found.list_arr),
        float(offer),
        months or found.term_months,
        tier=found.tier,
        band=found.band,
        days=found.days_to_decision,
    )


def ask(
    viewer: Viewer,
    login: str,
    renewal_id: str,
    offer: Decimal,
    *,
    months: int | None = None,
    trades: Sequence[Trade] = (),
    why: str,
    day: date,
) -> tuple[int, Renewal, Check]:
    """Record a request. One that the person's role grants alone counts as approved.

    Args:
        viewer: The role of the person who asks.
        login: Their login.
        day: Today in the reporting time zone.

    Returns:
        Number of the request, the renewal, and the check of the offer.

    Raises:
        ConfigError: The role may not ask, the offer is refused by the ladder, or the reason or the customer's part is
            missing.
    """
    if viewer.role not in discounts.LEVELS:
        raise ConfigError(
            f"the role {viewer.role} may not ask for a discount", cure="roles are assigned in viewers.yaml"
        )
    if not why.strip():
        raise ConfigError("the reason is missing", cure="say why the customer needs it; it is stored")
    with engine("reader").connect() as connection:
        found = renewal(connection, renewal_id)
    checked = check(found, offer, months)
    if checked.level == "refused":
        raise _refused(found, offer, checked)
    if discounts.missing_trade(checked, trades):
        raise ConfigError(
            f"more than {checked.row.csm:.0%} needs something in return",
            cure=f"agree on one of {', '.join(checked.row.trades)} with the customer",
        )
    is_own = discounts.may_grant(viewer.role, checked.level)
    with engine("editor").begin() as connection:
        named = {
            "renewal_id": renewal_id,
            "account_key": found.account_key,
            "list_arr": found.list_arr,
            "offer_arr": offer,
            "term_months": months or found.term_months,
            "depth": checked.depth,
            "credited": checked.credited,
            "level": checked.level,
            "trades": list(trades),
            "why": why.strip(),
            "by": login,
            "state": "approved" if is_own else "open",
            "answered_by": login if is_own else "",
            "valid_until": day + timedelta(days=config.load().discounts.valid_days),
            "now": locks.stamp(connection),
        }
        number = connection.execute(_ASK, named).scalar_one()
    return number, found, checked


def _refused(found: Renewal, offer: Decimal, checked: Check) -> ConfigError:
    assert found.list_arr is not None
    least = Decimal(str(checked.row.floor)) * found.list_arr
    is_floor = checked.reason == "below_floor"
    limit = f"the lowest price is {least:,.2f}" if is_floor else f"nobody grants more than {checked.row.head:.0%}"
    return ConfigError(
        f"{offer:,.2f} for {found.renewal_id} is {checked.depth:.1%} below the list price of {found.list_arr:,.2f};"
        f" {limit}",
        cure="offer more, or a longer term",
    )


def answer(viewer: Viewer, login: str, number: int, *, is_approved: bool, note: str = "", day: date) -> None:
    """Approve or reject a request of somebody else.

    Raises:
        ConfigError: There is no open request of this number, the person asked for it themselves, or their role may not
            grant it.
    """
    with engine("editor").begin() as connection:
        row = connection.execute(_OPEN, {"number": number}).mappings().one_or_none()
        if row is None:
            raise ConfigError(f"request {number} is unknown", cure="python -m include.cli discounts list")
        if error := unanswerable(viewer, login, row, day):
            raise error
        named = {"number": number, "by": login, "note": note.strip(), "now": locks.stamp(connection)}
        connection.execute(_ANSWER, {**named, "state": "approved" if is_approved else "rejected"})


def unanswerable(viewer: Viewer, login: str, request: Mapping[Any, Any], day: date) -> ConfigError | None:
    """Return why a person may not answer a request; None if they may. Others' open requests are for leads and heads."""
    number = request["request_id"]
    if request["state"] != "open" or request["valid_until"] < day:
        state = "lapsed" if request["state"] == "open" else request["state"]
        return ConfigError(f"request {number} is {state}", cure="python -m include.cli discounts list")
    if request["asked_by"].casefold() == login.casefold():
        return ConfigError(f"you asked for {number} yourself", cure="somebody else has to answer it")
    if viewer.role == "csm" or not discounts.may_grant(viewer.role, request["level"]):
        return ConfigError(
            f"the role {viewer.role} may not answer request {number}: it needs a {request['level']}",
            cure="roles are assigned in viewers.yaml",
        )
    return None


def listed(connection: sa.Connection, day: date, accounts: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return all requests with what became of their renewals, open ones first, then the newest.

    Args:
        day: Today. Requests and approvals past their last day have lapsed, unless the renewal was won before.
        accounts: Only of these accounts; None for all.
    """
    if not has_table(connection, "marts.renewal_discount"):
        return []
    chosen = list(accounts) if accounts is not None else None
    return [dict(row) for row in connection.execute(_LISTED, {"day": day, "accounts": chosen}).mappings()]


def last_days(last: date, days: int) -> tuple[date, date]:
    """Return the first and the last of the days that end on a day."""
    return last - timedelta(days=days - 1), last


def unapproved(connection: sa.Connection, first: date, last: date) -> list[dict[str, Any]]:
    """Return renewals won between two days, both included, deeper than allowed and than approved, deepest first."""
    if not has_table(connection, "marts.renewal_discount"):
        return []
    rows = connection.execute(_CLOSED, {"first": first, "last": last}).mappings()
    return discounts.unapproved(config.load().discounts, [dict(row) for row in rows])


def by_band(connection: sa.Connection, first: date, last: date) -> list[dict[str, Any]]:
    """Return per health band: renewal rate, mean discount, and list ARR given away.

    ``n_priced`` renewals have a list price. Without any, the discount is None: not available.
    """
    if not has_table(connection, "marts.renewal_discount"):
        return []
    return [dict(row) for row in connection.execute(_BY_BAND, {"first": first, "last": last}).mappings()]


_RENEWAL = sa.text("""
with lines as (
    select r.renewal_id, count(*) as n, count(l.list_arr) as n_priced, sum(l.list_arr * p.rate) as list_arr
    from marts.act_renewal_checkpoint as r
    join core.committed_line as l
        on l.contract_key = r.contract_key and l.account_key = r.account_key and not l.is_evergreen
        and l.active_from < r.due_date and l.active_to >= r.due_date
    join meta.plan_rate as p
        on p.currency = l.currency and p.from_day < r.due_date and (p.to_day is null or p.to_day >= r.due_date)
    where r.renewal_id = :renewal_id
    group by r.renewal_id
)

select
    r.renewal_id, r.account_key, r.account_name, r.tier, a.health_band as band, r.days_to_decision, r.owner_email,
    r.owner_team, r.target_arr, cast(round(r.term_days * 12 / 365.25) as int) as term_months,
    case when l.n = l.n_priced then round(l.list_arr, 2) end as list_arr
from marts.act_renewal_checkpoint as r
left join marts.act_account as a on a.account_key = r.account_key
left join lines as l on l.renewal_id = r.renewal_id
where r.renewal_id = :renewal_id
""")
_ASK = sa.text(
    "insert into meta.discount_request (renewal_id, account_key, list_arr, offer_arr, term_months, depth, credited,"
    " level, trades, why, asked_by, state, answered_by, answered_at, valid_until, known_from) values (:renewal_id,"
    " :account_key, :list_arr, :offer_arr, :term_months, :depth, :credited, :level, :trades, :why, :by, :state,"
    " :answered_by, case when :state = 'approved' then cast(:now as timestamptz) end, :valid_until, :now)"
    " returning request_id"
)
_OPEN = sa.text(
    "select request_id, state, asked_by, level, valid_until from meta.discount_request where request_id = :number"
    " for update"
)
_ANSWER = sa.text(
    "update meta.discount_request set state = :state, answered_by = :by, answered_at = :now, note = :note"
    " where request_id = :number"
)
_LISTED = sa.text("""
select
    q.request_id, q.renewal_id, q.account_key, coalesce(a.name, q.account_key) as account_name, q.list_arr, q.offer_arr,
    q.term_months, q.depth, q.credited, q.level, q.trades, q.why, q.asked_by, q.answered_by, q.note, q.valid_until,
    q.known_from as asked_at,
    case when q.state <> 'rejected' and q.valid_until < :day and coalesce(d.settled_on > q.valid_until, true) then
        'lapsed' else q.state end as state,
    case when d.is_renewed then 'renewed' when not d.is_renewed then 'lost' else 'open' end as outcome,
    d.renewed_arr
from meta.discount_request as q
left join core.account as a on a.account_key = q.account_key
left join marts.renewal_discount as d on d.renewal_id = q.renewal_id
where cast(:accounts as text[]) is null or q.account_key = any(cast(:accounts as text[]))
order by q.state <> 'open' or q.valid_until < :day, q.request_id desc
limit 500
""")
_CLOSED = sa.text(
    "select d.*, coalesce(a.name, d.account_key) as account_name from marts.renewal_discount as d"
    " left join core.account as a on a.account_key = d.account_key"
    " where d.is_renewed and d.depth > 0 and d.settled_on between :first and :last"
    " order by d.depth * d.list_arr desc, d.renewal_id"
)
_BY_BAND = sa.text("""
select
    band, count(*) as n, count(*) filter (where is_renewed) as n_renewed,
    count(*) filter (where is_renewed) / cast(count(*) as double precision) as renewal_rate,
    count(depth) as n_priced,
    cast(sum(depth * list_arr) / nullif(sum(list_arr) filter (where depth is not null), 0) as double precision)
        as mean_depth,
    cast(sum(depth * list_arr) as numeric(18, 2)) as given_away
from marts.renewal_discount
where settled_on between :first and :last
group by band
order by array_position(array['green', 'yellow', 'red', 'unknown'], band)
""")
