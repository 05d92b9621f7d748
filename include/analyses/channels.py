"""What channels and campaigns cost, and what they bring. Pure arithmetic on rows of ``marts.channel_cohort``.

Only months whose leads all had 180 days are judged. A figure without its cost, or without a mature lead, is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

_MONTHS = 12
# Nobody can stop or improve it: leads without a source are a fault of the records, which a rule reports.
# https://techunit.io/blog/hubspot-attribution-reporting
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Channel:
    """A channel, over its mature months.

    Args:
        cost: Spend of these months; None if it is not known for all months with leads.
        n_leads: Prospects that became leads in them.
        n_won: Those among them that became customers within 180 days.
        new_mrr: MRR of these on their first day.
        n_young: Leads of later months, which are not judged yet.
        n_year_over: Won accounts whose first day is more than a year ago.
        kept: Share of their ARR that was kept for a year.
        never_converts: Whether this many qualified leads without a customer are unlikely by chance.
        n_qualified_won: Customers among the qualified.
    """

    name: str
    cost: float | None
    n_leads: int
    n_qualified: int
    n_won: int
    new_mrr: float
    n_young: int = 0
    n_year_over: int = 0
    kept: float | None = None
    never_converts: bool = False
    n_qualified_won: int = 0

    @property
    def cost_per_lead(self) -> float | None:
        return _over(self.cost, self.n_leads)

    @property
    def cost_per_qualified(self) -> float | None:
        return _over(self.cost, self.n_qualified)

    @property
    def cost_per_customer(self) -> float | None:
        return _over(self.cost, self.n_won)

    @property
    def conversion(self) -> float | None:
        """The share of leads that became customers."""
        return _over(self.n_won, self.n_leads)

    def payback_months(self, margin: float) -> float | None:
        """Return after how many months the gross margin of a customer has paid for winning it."""
        per_customer = _over(self.new_mrr, self.n_won)
        return _over(self.cost_per_customer, per_customer * margin) if per_customer else None


def read_out(rows: Iterable[dict[str, Any]], unlikely: float) -> list[Channel]:
    """Return the channels of one attribution, most customers first.

    Args:
        rows: Rows of ``marts.channel_cohort`` of one attribution.
        unlikely: See :func:`never_converts`.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["channel"], []).append(row)
    found = [_channel(name, months) for name, months in by_name.items()]
    return sorted(
        (_judged(one, found, unlikely) for one in found), key=lambda one: (-one.n_won, -one.n_qualified, one.name)
    )


def never_converts(n_qualified: int, win_rate: float, unlikely: float) -> bool:
    """Return whether no customer of so many qualified leads is unlikely at the win rate of the other channels."""
    return n_qualified > 0 and win_rate < 1 and (1 - win_rate) ** n_qualified < unlikely


def months_upto(rows: Iterable[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    """Return the twelve newest mature months, and later ones, as they were known on a day."""
    known = [row for row in rows if row["month"] <= day]
    mature = sorted({row["month"] for row in known if row["is_over"]})[-_MONTHS:]
    return [row for row in known if not row["is_over"] or row["month"] in mature]


def _judged(one: Channel, channels: Sequence[Channel], unlikely: float) -> Channel:
    others = [other for other in channels if other.name != one.name]
    rate = _over(sum(other.n_qualified_won for other in others), sum(other.n_qualified for other in others))
    if one.name == UNKNOWN or one.n_won or not rate or not never_converts(one.n_qualified, rate, unlikely):
        return one
    return replace(one, never_converts=True)


def _channel(name: str, rows: list[dict[str, Any]]) -> Channel:
    mature = [row for row in rows if row["is_over"]]
    costs = [row["cost"] for row in mature if row["cost"] is not None or row["n_leads"]]
    year = [row for row in rows if row["n_year_over"]]
    return Channel(
        name,
        None if not costs or None in costs else float(sum(costs)),
        sum(row["n_leads"] for row in mature),
        sum(row["n_qualified"] for row in mature),
        sum(row["n_won"] for row in mature),
        float(sum(row["new_mrr"] for row in mature)),
        sum(row["n_leads"] for row in rows if not row["is_over"]),
        sum(row["n_year_over"] for row in year),
        _over(sum(row["arr_kept"] for row in year), sum(row["arr_a_year_ago"] for row in year)),
        n_qualified_won=sum(row["n_qualified_won"] for row in mature),
    )


def _over(part: float | Decimal | None, whole: float | Decimal | None) -> float | None:
    return None if part is None or not whole else float(part) / float(whole)
