"""Calls: the renewed ARR that people expect of a quarter, next to the forecast and to what came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from include.common import quarters
from include.common.errors import ConfigError
from include.common.texts import gettext
from include.scores import rounding
from include.scores.forecast import by_quarter, totals
from include.scores.forecast.by_quarter import Quarter
from include.scores.forecast.past import Frozen
from include.scores.forecast.totals import Total
from include.warehouse import locks
from include.warehouse.engine import engine

_LARGEST = 10**12


@dataclass(frozen=True)
class Call:
    """One call.

    Args:
        csm: The CSM's name.
        amount: Renewed ARR that is expected of the CSM's renewals of the quarter.
    """

    owner_key: str
    csm: str
    quarter_start: date
    amount: Decimal
    given_by: str
    given_on: date


@dataclass(frozen=True)
class Compared:
    """A call next to the forecast of the same renewals."""

    call: Call
    total: Total

    @property
    def reason(self) -> str:
        """How the call contradicts the forecast; "" within the interval."""
        if self.call.amount > self.total.p90:
            return gettext("above P90")
        return gettext("below P10") if self.call.amount < self.total.p10 else ""


@dataclass(frozen=True)
class Judged:
    """A call that was in force as its quarter began, next to the forecast frozen then and the actual ARR."""

    call: Call
    forecast: Decimal
    actual: Decimal


def give(owner_key: str, quarter_start: date, amount: Decimal, *, by: str, day: date) -> None:
    """Record a call. A second call of one day replaces the first.

    Args:
        owner_key: The CSM, such as ``crm:7``.
        quarter_start: First day of the quarter.
        amount: Renewed ARR that is expected.
        by: Who gives it.
        day: The day of the call.

    Raises:
        ConfigError: There is no such owner, the quarter is not forecast, or the amount is not valid.
    """
    if not (amount.is_finite() and 0 <= amount < _LARGEST):
        raise ConfigError(f"call {amount} is not a valid amount", cure="enter the expected renewed ARR, such as 120000")
    if quarter_start not in by_quarter.starts(day):
        raise ConfigError(
            f"{quarters.label(quarter_start)} is not forecast", cure="choose this quarter or one of the next three"
        )
    with engine("reader").connect() as connection:
        if not connection.execute(_HAS_OWNER, {"owner_key": owner_key}).scalar():
            raise ConfigError(f"unknown owner {owner_key}", cure="write source:id of the owner, such as crm:7")
    given = {"owner_key": owner_key, "quarter_start": quarter_start, "amount": amount}
    with engine("editor").begin() as connection:
        given |= {"by": by, "day": day, "now": locks.stamp(connection)}
        connection.execute(_END, given)
        connection.execute(_ADD, given)


def read(connection: sa.Connection) -> list[Call]:
    """Return every call, the newest of each quarter and CSM first."""
    return [Call(**row) for row in connection.execute(_CALLS).mappings()]


def against(quarter: Quarter, calls: Sequence[Call]) -> list[Compared]:
    """Return the newest call of each CSM for a quarter, next to the forecast of the CSM's renewals.

    Args:
        quarter: The quarter with all renewals of these CSMs.
        calls: As ``read`` returns them.
    """
    newest: dict[str, Call] = {}
    for call in calls:
        if call.quarter_start == quarter.start:
            newest.setdefault(call.owner_key, call)
    return [
        Compared(call, totals.total([line for line in quarter.lines if line.owner_key == key], quarter.scale, call.csm))
        for key, call in newest.items()
    ]


def judge(calls: Sequence[Call], frozen: Sequence[Frozen]) -> list[Judged]:
    """Compare the calls of finished quarters with the forecast of the same day and the actual ARR.

    A call counts if it was given by the first day of its quarter, when the forecast was frozen.
    """
    members: dict[tuple[str, date], list[Frozen]] = {}
    for row in frozen:
        if row.checkpoint == "quarter" and row.part is not None:
            members.setdefault((row.owner_key, row.quarter_start), []).append(row)
    in_force: dict[tuple[str, date], Call] = {}
    for call in calls:
        if call.given_on <= call.quarter_start:
            in_force.setdefault((call.owner_key, call.quarter_start), call)
    found = []
    for key, call in in_force.items():
        rows = members.get(key, [])
        if rows and all(row.is_settled for row in rows):
            forecast = sum(row.amount * row.p for row in rows)
            actual = sum(row.actual or 0.0 for row in rows)
            found.append(Judged(call, rounding.cents(forecast), rounding.cents(actual)))
    return found


_HAS_OWNER = sa.text("select exists (select from core.owner where owner_key = :owner_key)")
_END = sa.text(
    "update meta.forecast_call set known_to = :now where owner_key = :owner_key and quarter_start = :quarter_start"
    " and given_on = :day and known_to is null"
)
_ADD = sa.text(
    "insert into meta.forecast_call (owner_key, quarter_start, amount, given_by, given_on, known_from)"
    " values (:owner_key, :quarter_start, :amount, :by, :day, :now)"
)
_CALLS = sa.text(
    "select c.owner_key, coalesce(o.name, c.owner_key) as csm, c.quarter_start, c.amount, c.given_by,"
    " c.given_on from meta.forecast_call as c left join core.owner as o on o.owner_key = c.owner_key"
    " where c.known_to is null order by c.quarter_start, c.owner_key, c.given_on desc"
)
