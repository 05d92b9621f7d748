"""How many get from one stage of the funnel to the next in time, and where most ARR is lost. Pure arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from include.config.funnel import Target

_MONTHS = 12


class Duration(NamedTuple):
    """So many prospects or accounts that reached the next stage after these days, or have not yet."""

    days: int
    is_reached: bool
    n: int


@dataclass(frozen=True)
class Edge:
    """The way from one stage to the next, over the mature months.

    Args:
        days: Days that each had for it.
        n_entered: Prospects or accounts of months whose days are over; 0 if there is none yet.
        n_reached: Those among them that reached the next stage in time.
        n_young: Those of later months, which are not judged.
        median_days: Kaplan-Meier median; None while fewer than half have reached it.
        target: The target rate; None without one.
        loss: ARR lost against the target; None without a target or ARR per customer.
    """

    stage: str
    next_stage: str
    days: int
    n_entered: int
    n_reached: int
    n_young: int
    median_days: int | None = None
    target: float | None = None
    loss: float | None = None

    @property
    def rate(self) -> float | None:
        return self.n_reached / self.n_entered if self.n_entered else None


def edges(
    cohorts: Iterable[dict[str, Any]],
    durations: Mapping[tuple[str, str], Sequence[Duration]],
    targets: Sequence[Target],
    arr_per_customer: float | None,
) -> list[Edge]:
    """Return each way of the funnel.

    Args:
        cohorts: Rows of ``marts.funnel_cohort``. The twelve newest mature months of each way count.
        durations: Stage and next stage -> durations.
        targets: Of ``funnel.yaml``. The first target of a way sets its days; 180 without one.
        arr_per_customer: Mean ARR of a customer on its first day.
    """
    rows = list(cohorts)
    aims = {(one.stage, one.next_stage): one for one in reversed(targets)}
    found = []
    for way in dict.fromkeys((row["stage"], row["next_stage"]) for row in rows):
        aim = aims.get(way)
        days = aim.days if aim else 180
        mine = sorted(
            (row for row in rows if (row["stage"], row["next_stage"]) == way and row["box_days"] == days),
            key=lambda row: row["cohort_month"],
        )
        mature = [row for row in mine if row["n_reached"] is not None][-_MONTHS:]
        n_entered, n_reached = sum(row["n_entered"] for row in mature), sum(row["n_reached"] for row in mature)
        n_young = sum(row["n_entered"] for row in mine if row["n_reached"] is None)
        loss = None
        if aim and arr_per_customer is not None and n_entered:
            loss = lost(n_entered, aim.rate, n_reached / n_entered, arr_per_customer)
        found.append(
            Edge(
                *way,
                days,
                n_entered,
                n_reached,
                n_young,
                median(durations.get(way, ())),
                aim.rate if aim else None,
                loss,
            )
        )
    return found


def lost(n_entered: int, target: float, rate: float, arr_per_customer: float) -> float:
    """Return the ARR that a way loses against its target; 0 if it reaches it."""
    return max(0.0, n_entered * (target - rate) * arr_per_customer)


def bottleneck(found: Iterable[Edge]) -> Edge | None:
    """Return the way that loses most ARR against its target, if any does."""
    losing = [one for one in found if one.loss]
    return max(losing, key=lambda one: one.loss or 0, default=None)


def median(durations: Iterable[Duration]) -> int | None:
    """Return the Kaplan-Meier median of days; those not reached yet are censored."""
    reached, ended = Counter[int](), Counter[int]()
    for days, is_reached, n in durations:
        ended[days] += n
        reached[days] += n if is_reached else 0
    at_risk, left = ended.total(), 1.0
    for days in sorted(ended):
        left *= 1 - reached[days] / at_risk
        if left <= 0.5 + 1e-9:
            return days
        at_risk -= ended[days]
    return None
