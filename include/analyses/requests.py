"""Requests for features: list them by ARR due, and keep what people enter, assign, merge and decide.

How vendors record requests, and what follows here:

- A ticket of Zendesk is a problem, incident, question or task: none is a request
  (https://docs.workato.com/connectors/zendesk/create-ticket-action). A drop-down field becomes a tag
  (https://support.zendesk.com/hc/pt-br/articles/203661496). So the label comes from that tag (``desk_values`` of
  ``triage.yaml``) or from triage. The categories of HubSpot's tickets are set by each portal
  (https://skills.sh/hubspot/agent-cli-skills/ticket-resolution); its feedback submissions are answers to surveys
  (https://wso2.com/integration-platform/docs/connectors/catalog/crm-sales/hubspot.crm.obj.feedback/).
- Productboard links notes to features, and both to companies: one note per ask, weighed by company
  (https://developer.productboard.com/v2.0.0/reference/glossary-note). So an entry has one account and one request.
- Who voted for a merged idea votes for the one it became, and is told of it
  (https://docs.hyperproof.io/en/com-overview/com-ideas/com-ideas-merge). Canny leaves it to the person who changes a
  status whether voters are told (https://pipedream.com/apps/canny/actions/change-post-status.md). Here the account's
  CSM gets a task (``decide/shipped.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, get_args

import orjson
import sqlalchemy as sa

from include.common.errors import ConfigError
from include.common.text import one_line
from include.warehouse import locks
from include.warehouse.engine import engine, has_table

ASKS, DEMAND = "core.request_ask", "marts.request_demand"
KIND = "request"  # of the deliveries about it
NOT_SHIPPED = "the request has not shipped, or the account did not ask for it"
# Requests that have shipped, with what asked for them before.
SHIPPED_ASKS = (
    "marts.request_demand as d join core.request_ask as k on k.request = d.request and k.asked_on <= d.shipped_on"
    " and d.state = 'shipped' and d.shipped_on <= :today"
)
LONGEST_NAME = 80
Kind = Literal["essential", "individual", "core"]
State = Literal["open", "planned", "declined", "shipped"]
_LIST = "python -m include.cli requests list"


@dataclass(frozen=True)
class Entry:
    """Something that an account asked for outside the desk.

    Args:
        account: Its key, or its id in a source, such as ``stripe:cus_1``.
        origin: Its id in the tool that a file came from; "" for an entry by hand.
    """

    request: str
    account: str
    asked_on: date
    origin: str = ""
    note: str = ""


def name_of(text: str) -> str:
    """Return a request's name as it is stored: one line, lower case.

    Raises:
        ConfigError: It is empty or too long.
    """
    name = one_line(text).lower()
    if not 2 <= len(name) <= LONGEST_NAME:
        raise ConfigError(
            f"{text!r} is not the name of a request", cure=f"write 2 to {LONGEST_NAME} characters, such as dark_mode"
        )
    return name


def listed(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return all requests, most ARR due first. What is not available is None."""
    if not has_table(connection, DEMAND):
        return []
    return [dict(row) for row in connection.execute(_LISTED).mappings()]


def lacking(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the figures need that is not there: no request has a figure that comes from it."""
    needs = {"arr": "customers", "arr_at_risk": "health_bands", "lost_arr": "lost_reasons", "n_tickets": "tickets"}
    return [need for name, need in needs.items() if rows and all(row[name] is None for row in rows)]


def who(connection: sa.Connection, request: str) -> list[dict[str, Any]]:
    """Return the accounts that asked for a request, most ARR first."""
    if not has_table(connection, DEMAND):
        return []
    return [dict(row) for row in connection.execute(_WHO, {"request": request}).mappings()]


def shipped(connection: sa.Connection, today: date) -> set[tuple[str, str]]:
    """Return the requests that have shipped, each with every account that had asked for it before."""
    if not has_table(connection, DEMAND):
        return set()
    return set(connection.execute(_SHIPPED, {"today": today}).tuples())


def enter(entries: Sequence[Entry], by: str) -> tuple[int, list[str]]:
    """Store entries. One that is stored already is left out; one whose request or account changed replaces the old one.

    Returns:
        Number of new and changed entries, and the accounts that are not known, whose entries are not stored.
    """
    asked = [{**asdict(one), "request": name_of(one.request), "note": one_line(one.note)} for one in entries]
    with engine("reader").connect() as connection:
        has_bridge = has_table(connection, "core.account_bridge") and has_table(connection, "core.account")
        names = {"ids": [one["account"] for one in asked]}
        known: dict[str, str] = dict(connection.execute(_ACCOUNTS, names).tuples().all()) if has_bridge else {}
    found = [{**one, "account": known[one["account"]]} for one in asked if one["account"] in known]
    with engine("editor").begin() as connection:
        rows = orjson.dumps(found, default=str).decode()
        n_new = connection.execute(_ENTER, {"rows": rows, "by": by, "now": locks.now(connection)}).rowcount
    return n_new, sorted({one["account"] for one in asked} - known.keys())


def assign(ticket_key: str, request: str, by: str, note: str = "") -> None:
    """Assign a ticket to a request. It counts from now on, whatever its label.

    Raises:
        ConfigError: There is no such ticket, or this is no name.
    """
    with engine("reader").connect() as connection:
        row = connection.execute(_TICKET, {"key": ticket_key}).one_or_none() if has_table(connection, ASKS) else None
    if row is None:
        raise ConfigError(f"unknown ticket {ticket_key}", cure="write source:id, such as support:1001")
    named = {"request": name_of(request), "account": row.account_key or "", "day": row.created_day, "by": by}
    with engine("editor").begin() as connection:
        connection.execute(
            _ASSIGN, {**named, "ticket": ticket_key, "note": one_line(note), "now": locks.now(connection)}
        )


def merge(names: Sequence[str], into: str, by: str, note: str = "") -> str:
    """Merge requests into another one, with those that were merged into them before.

    Returns:
        The request that they became: ``into``, or what that is merged into.

    Raises:
        ConfigError: A request is unknown, or it is merged into itself.
    """
    wanted, target = list(dict.fromkeys(map(name_of, names))), name_of(into)
    if unknown := sorted(set(wanted) - _names()):
        raise ConfigError(f"unknown request {unknown[0]}", cure=_LIST)
    with engine("editor").begin() as connection:
        # Otherwise two people could merge two requests into each other.
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.REQUESTS_LOCK})
        parts: dict[str, str] = dict(connection.execute(_MERGED).tuples().all())
        target = parts.get(target, target)
        if target in wanted:
            raise ConfigError(f"{target} cannot be merged into itself", cure="take it out of the list, or unmerge it")
        moved = [*wanted, *(name for name, whole in parts.items() if whole in wanted and name not in wanted)]
        _change(connection, moved, by, note, merged_into=target)
    return target


def unmerge(name: str, by: str, note: str = "") -> None:
    """Take a request out of the one that it was merged into.

    Raises:
        ConfigError: It is not merged.
    """
    with engine("editor").begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.REQUESTS_LOCK})
        if name_of(name) not in dict(connection.execute(_MERGED).tuples().all()):
            raise ConfigError(f"{name} is not merged into another request", cure=_LIST)
        _change(connection, [name_of(name)], by, note, merged_into="")


def decide(
    name: str, by: str, *, kind: str = "", state: str = "", shipped_on: date | None = None, note: str = ""
) -> None:
    """Set the type or the state of a request. Once it has shipped, the accounts that asked are told.

    Args:
        shipped_on: Only with the state ``shipped``.

    Raises:
        ConfigError: The request or a value is unknown, or nothing is set.
    """
    for value, known in ((kind, get_args(Kind)), (state, get_args(State))):
        if value and value not in known:
            raise ConfigError(f"unknown value {value}", cure=f"known: {', '.join(known)}")
    if not (kind or state):
        raise ConfigError("nothing is set", cure="set --kind or --state")
    if (state == "shipped") != (shipped_on is not None):
        raise ConfigError("the state shipped needs its day, and only it has one", cure="set --on to the day")
    if name_of(name) not in _names(whole=True):
        raise ConfigError(f"unknown request {name}", cure=_LIST)
    with engine("editor").begin() as connection:
        _change(connection, [name_of(name)], by, note, kind=kind or None, state=state or None, shipped_on=shipped_on)


def _names(whole: bool = False) -> set[str]:
    """Return the names of all requests; ``whole`` for those that are not merged into another one."""
    with engine("reader").connect() as connection:
        if not has_table(connection, ASKS):
            return set()
        rows = connection.execute(_NAMES).all()
    return {row.request for row in rows} | (set() if whole else {row.asked_as for row in rows})


def _change(connection: sa.Connection, names: Sequence[str], by: str, note: str, **fields: Any) -> None:
    empty = {"merged_into": None, "kind": None, "state": None, "shipped_on": None}
    row = {**empty, **fields, "note": one_line(note), "by": by, "now": locks.now(connection)}
    connection.execute(_CHANGE, [{**row, "request": name} for name in names])


_LISTED = sa.text(
    "select * from marts.request_demand order by request = '', arr_due desc nulls last, arr desc nulls last,"
    " n_accounts desc, request"
)
_WHO = sa.text("""
select k.account_key, coalesce(c.name, k.account_key) as account_name, a.owner_name, a.arr, a.days_to_decision,
    a.health_band, count(*) as n_asked, max(k.asked_on) as last_asked
from core.request_ask as k
left join core.account as c on c.account_key = k.account_key
left join marts.act_account as a on a.account_key = k.account_key
where k.request = :request and k.account_key is not null
group by 1, 2, 3, 4, 5, 6
order by a.arr desc nulls last, k.account_key
""")
_SHIPPED = sa.text(f"select d.request, k.account_key from {SHIPPED_ASKS}")  # noqa: S608
# By its key, or by an id of it in any source.
_ACCOUNTS = sa.text(
    "select account_key as given, account_key from core.account where account_key = any(:ids)"
    " union select source || ':' || source_id, account_key from core.account_bridge"
    " where source || ':' || source_id = any(:ids) and account_key is not null"
)
_ENTER = sa.text(
    "insert into meta.request_entry (request, account_key, asked_on, origin, note, entered_by, known_from)"
    " select request, account, asked_on, nullif(origin, ''), note, :by, :now"
    " from jsonb_to_recordset(cast(:rows as jsonb))"
    " as r (request text, account text, asked_on date, origin text, note text)"
    " where (r.request, r.account, r.asked_on) is distinct from (select (e.request, e.account_key, e.asked_on)"
    " from meta.request_entry as e where e.origin = nullif(r.origin, '') order by e.entry_id desc limit 1)"
)
_TICKET = sa.text("select account_key, created_day from core.ticket where ticket_key = :key and not is_deleted")
_ASSIGN = sa.text(
    "insert into meta.request_entry (request, account_key, asked_on, ticket_key, note, entered_by, known_from)"
    " values (:request, :account, :day, :ticket, :note, :by, :now)"
)
_NAMES = sa.text("select distinct request, asked_as from core.request_ask where request <> ''")
_MERGED = sa.text(
    "select request, merged_into from (select distinct on (request) request, merged_into from meta.request_change"
    " where merged_into is not null order by request, change_id desc) as m where merged_into <> ''"
)
_CHANGE = sa.text(
    "insert into meta.request_change (request, merged_into, kind, state, shipped_on, note, changed_by, known_from)"
    " values (:request, :merged_into, :kind, :state, :shipped_on, :note, :by, :now)"
)
