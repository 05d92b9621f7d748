"""Pagination of Salesforce objects that change during the read, without losing any. Pure steps over a position.

Each step takes a position and returns rows and the next position, so a read can stop and resume anywhere.

* ``rows``: everything, or the changes in ``[lo, hi)``, in the order of ``(SystemModstamp, Id)``. That pair is the
  keyset, so ten thousand rows of one second neither end nor stall the read. Pages follow the query's locator. When that
  has expired, or the result ends before its own total, the query is sent again from the keyset.
* ``parent:NAME``: records with a mapped field of a parent that changed, such as the account of a line's opportunity.
  Their own change time does not move then.
* ``related:NAME``: records with a related record that changed, such as a contact's role.
* ``done``: everything before ``at`` was read (``objects``).

A row that is edited while its query is paginated shows its new change time, which is at or after ``hi``. It is returned
as is, but the keyset stays at the rows before it, and the next read finds it again. The same holds for rows edited
within the lag before a full pass.

Formula fields change without updating any change time. If one is mapped, everything is read again at an interval. A
full pass ends by comparing the rows read with Salesforce's count. So does a pass over changes that was resumed from its
keyset: if pages had come out of order, rows below the keyset would be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from include.connectors import positions
from include.connectors.base import Position
from include.connectors.crm.salesforce.api import Found, LocatorExpired, Row, checked_id
from include.connectors.crm.salesforce.resources import CURSOR
from include.connectors.pagination import check_keyset
from include.http.loops import Loop

# SOQL, locator ("" to query again) -> one page
Ask = Callable[[str, str], Found]
# Row -> its change time in milliseconds; None if unknown
Clock = Callable[[Row], int | None]

_START: dict[str, Any] = {"at": None, "id": "", "locator": "", "left": 0, "is_renewed": False}


@dataclass(frozen=True)
class Step:
    """The result of one page.

    Args:
        there: The position after it.
        is_over: Whether the phase has ended.
    """

    rows: list[Row]
    there: Position
    is_over: bool


def full_pass(hi: int) -> Position:
    """Return the position at the beginning of a full pass."""
    return {"phase": "rows", "lo": None, "hi": hi, "rows": 0, "whole_at": hi, "is_again": False} | _START


def changes(lo: int, hi: int, whole_at: int) -> Position:
    """Return the position before all changes in ``[lo, hi)``.

    Args:
        lo: First millisecond.
        hi: First millisecond that is not read.
        whole_at: Time of the last full pass.
    """
    return {"phase": "rows", "lo": lo, "hi": hi, "rows": 0, "whole_at": whole_at} | _START


def repeat(position: Position) -> Position:
    """Return the position to repeat a pass that missed rows the first time."""
    return position | {"phase": "rows", "rows": 0, "is_again": True} | _START


def is_full_pass(position: Position) -> bool:
    """Return whether the position is of a full pass."""
    return position["lo"] is None


def following(position: Position, others: Sequence[str]) -> Position | None:
    """Return where a pass continues after a phase; None at its end.

    Args:
        position: A position of that phase.
        others: The phases that follow ``rows`` if only changes are read.
    """
    left = () if is_full_pass(position) else tuple(others)
    if position["phase"] in left:
        left = left[left.index(position["phase"]) + 1 :]
    return position | {"phase": left[0]} | _START if left else None


def by_clock(position: Position, select: str, ask: Ask, clock: Clock, condition: str = "") -> Step:
    """Read one page in the order of ``(SystemModstamp, Id)``.

    Args:
        position: Where to continue.
        select: The query up to FROM and the object.
        clock: Returns a row's change time.
        condition: Further condition on the rows.
    """
    parts = [condition] if condition else []
    if position["at"] is not None:
        last = _literal(position["at"])
        parts.append(f"{CURSOR} >= {last} AND ({CURSOR} > {last} OR Id > '{checked_id(position['id'])}')")
    elif position["lo"] is not None:
        parts.append(since(position))
    # A full pass marks missing rows as deleted, so it must also find rows younger than ``hi``.
    parts += [] if is_full_pass(position) else [before(position)]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    found, left, is_new = _ask(position, f"{select}{where} ORDER BY {CURSOR}, Id", ask)
    clocks = [clock(row) for row in found.rows]
    known = [
        (at, row["Id"]) for at, row in zip(clocks, found.rows, strict=True) if at is not None and at < position["hi"]
    ]
    reached: dict[str, Any] = {}
    # Rows that came out of order do not show the progress of the pass.
    times = [position["at"] or 0, *(at for at, _ in known)]
    if known and times == sorted(times):
        reached = {"at": known[-1][0], "id": checked_id(known[-1][1])}
    n_counted = sum(at is None or at < position["hi"] for at in clocks)
    is_from_start = is_new and position["at"] is None
    reached |= {"rows": (0 if is_from_start else position["rows"]) + n_counted}
    reached |= {"is_renewed": True} if is_new and not is_from_start else {}
    return _stepped(position, found, left, reached)


def since(position: Position) -> str:
    """Return the condition for changed rows; "" in a full pass."""
    return "" if is_full_pass(position) else f"{CURSOR} >= {_literal(position['lo'])}"


def before(position: Position) -> str:
    """Return the condition for rows before ``hi``."""
    return f"{CURSOR} < {_literal(position['hi'])}"


def by_parent(position: Position, select: str, ask: Ask, condition: str = "") -> Step:
    """Read one page of the rows whose parent changed, in id order.

    Args:
        position: Where to continue; the phase names the relationship.
        select: As for ``by_clock``.
        condition: As for ``by_clock``.
    """
    column = f"{position['phase'].partition(':')[2]}.{CURSOR}"
    parts = [condition] if condition else []
    parts += [f"{column} >= {_literal(position['lo'])}", f"{column} < {_literal(position['hi'])}"]
    parts += [f"Id > '{checked_id(position['id'])}'"] if position["id"] else []
    found, left, _ = _ask(position, f"{select} WHERE {' AND '.join(parts)} ORDER BY Id", ask)
    return _stepped(position, found, left, {"id": checked_id(found.rows[-1]["Id"])} if found.rows else {})


def by_id(select: str, condition: str, ask: Callable[..., Found]) -> Iterator[list[Row]]:
    """Yield pages of live rows, in id order.

    Args:
        select: As for ``by_clock``.
        condition: As for ``by_clock``.
        ask: Sends a query, with ``is_all``.
    """
    last, loop = "", Loop(f"Salesforce's list of {select.rpartition(' FROM ')[2]} ids")
    while True:
        parts = [part for part in (condition, f"Id > '{last}'" if last else "") if part]
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        found = ask(f"{select}{where} ORDER BY Id LIMIT 2000", is_all=False)
        yield found.rows
        if found.total <= len(found.rows) < 2000:
            return
        check_keyset("Salesforce", found.rows, found.total, last)
        following = checked_id(found.rows[-1]["Id"])
        loop.check(last, following, (row["Id"] for row in found.rows))
        last = following


def _ask(position: Position, soql: str, ask: Ask) -> tuple[Found, int, bool]:
    """Return the next page, how many rows are still to come after it, and whether the query was sent again."""
    if position["locator"]:
        try:
            found = ask("", position["locator"])
        except LocatorExpired:
            pass
        else:
            return found, position["left"] - len(found.rows), False
    found = ask(soql, "")
    return found, found.total - len(found.rows), True


def _stepped(position: Position, found: Found, left: int, reached: Position) -> Step:
    is_cut_short = not found.locator and left > 0
    if is_cut_short and not position["locator"]:
        check_keyset("Salesforce", found.rows, left, position["id"])
    count = {"locator": found.locator, "left": left}
    # A result that ends before its own total is incomplete: the query is sent again from the keyset.
    return Step(found.rows, position | count | reached, is_over=not found.locator and not is_cut_short)


def _literal(milliseconds: int) -> str:
    return positions.moment(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
