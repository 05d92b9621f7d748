"""Measure how accurate the forecast was: compare frozen lines with their outcomes.

Rows of ``marts.forecast_frozen`` never change, so information that arrived later cannot improve a forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import sqlalchemy as sa

from include.scores.forecast import distribution
from include.scores.forecast.lines import OPEN
from include.scores.forecast.totals import Past
from include.warehouse.engine import has_table

CHECKPOINTS = ("t180", "t90", "t30")
CATEGORY, BAND, BOTH = "category alone", "band alone", "category and band"


@dataclass(frozen=True)
class Frozen:
    """The forecast of one renewal at one checkpoint.

    Args:
        category_p: Probability by the category alone.
        band_p: Probability by the band alone; None if there was no record.
        p: Probability by both.
        part: The outcome: lost, open, or how it was renewed; None if it is no longer due (restarted, merged).
        actual: The renewed part of the target; None while it is open.
    """

    checkpoint: str
    quarter_start: date
    owner_key: str
    csm: str
    tier: str
    category: str
    line_class: str
    category_p: float
    band_p: float | None
    p: float
    amount: float
    part: str | None
    actual: float | None

    @property
    def is_settled(self) -> bool:
        """Whether the outcome is known."""
        return self.part not in (None, "open")


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of one method.

    Args:
        n: Settled renewals that all methods forecast.
        brier: Mean squared error of the probability: 0 is perfect, 0.25 is a constant one half.
        forecast: ARR forecast for them.
        renewed: Target ARR of the renewed ones.
        error: Forecast over renewed, less 1; None if nothing was renewed.
    """

    group: str
    checkpoint: str
    method: str
    n: int
    brier: float
    forecast: float
    renewed: float
    error: float | None


GROUPS: dict[str, Callable[[Frozen], str]] = {
    "csm": lambda row: row.csm,
    "tier": lambda row: row.tier,
    "category": lambda row: row.category,
}


def read(connection: sa.Connection) -> list[Frozen]:
    """Return all frozen lines; none if nothing has been frozen yet."""
    if not has_table(connection, "marts.forecast_frozen"):
        return []
    return [Frozen(**row) for row in connection.execute(_FROZEN).mappings()]


def quarters(rows: Sequence[Frozen], n_ahead: int = 0) -> list[Past]:
    """Return each finished quarter whose renewals are all settled, with its forecast and its actual ARR.

    Args:
        rows: Frozen lines.
        n_ahead: How many quarters ahead the forecast was made; 0 for the start of the quarter itself.
    """
    checkpoint = f"quarter_{n_ahead}_ahead" if n_ahead else "quarter"
    by_quarter: dict[date, list[Frozen]] = {}
    for row in rows:
        if row.checkpoint == checkpoint and row.part is not None:
            by_quarter.setdefault(row.quarter_start, []).append(row)
    found = []
    for _, members in sorted(by_quarter.items()):
        if all(row.is_settled for row in members):
            sums = distribution.of([row.amount for row in members], [row.p for row in members])
            actual = sum(row.actual or 0.0 for row in members)
            found.append(Past(sums.quantile(0.1), sums.quantile(0.5), sums.quantile(0.9), actual))
    return found


def accuracy(rows: Sequence[Frozen], group: str = "") -> list[Accuracy]:
    """Compare the methods by checkpoint and group, on the renewals that all of them forecast.

    Args:
        rows: Frozen lines.
        group: ``csm``, ``tier`` or ``category``; one group of all by default.
    """
    named = GROUPS[group] if group else lambda _: "all"
    chosen: dict[tuple[str, str], list[Frozen]] = {}
    for row in rows:
        if row.checkpoint in CHECKPOINTS and row.line_class in OPEN and row.is_settled and row.band_p is not None:
            chosen.setdefault((named(row), row.checkpoint), []).append(row)
    ordered = sorted(chosen.items(), key=lambda one: (one[0][0], CHECKPOINTS.index(one[0][1])))
    return [each for (name, checkpoint), members in ordered for each in _compare(name, checkpoint, members)]


def _compare(name: str, checkpoint: str, rows: Sequence[Frozen]) -> Iterator[Accuracy]:
    amounts = np.array([row.amount for row in rows])
    is_renewed = np.array([row.part != "lost" for row in rows], dtype=float)
    renewed = float(amounts @ is_renewed)
    methods = {
        CATEGORY: [row.category_p for row in rows],
        BAND: [row.band_p for row in rows],
        BOTH: [row.p for row in rows],
    }
    for method, given in methods.items():
        p = np.array(given, dtype=float)
        forecast = float(amounts @ p)
        yield Accuracy(
            name,
            checkpoint,
            method,
            len(rows),
            float(((p - is_renewed) ** 2).mean()),
            forecast,
            renewed,
            forecast / renewed - 1 if renewed else None,
        )


_FROZEN = sa.text("""
select
    f.checkpoint, f.quarter_start, coalesce(f.owner_key, '') as owner_key,
    coalesce(o.name, f.owner_key, 'nobody') as csm, coalesce(f.tier, 'no tier') as tier,
    f.category, f.line_class, f.configured_probability as category_p, f.band_probability as band_p,
    f.probability as p, cast(f.amount_arr as double precision) as amount, d.part,
    cast(
        case
            when d.part = 'lost' then 0
            when d.part <> 'open' then least(coalesce(d.renewed_of_target_arr, f.amount_arr), f.amount_arr)
        end
        as double precision
    ) as actual
from marts.forecast_frozen as f
left join marts.renewal_due as d on d.account_key = f.account_key and d.renewal_id = f.renewal_id
left join core.owner as o on o.owner_key = f.owner_key
order by f.frozen_on, f.renewal_id
""")
