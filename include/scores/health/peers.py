"""Rank an account among its peers the way ``marts.health_score`` does; see ``health_peer_query``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import sqlalchemy as sa

from include.models import health
from include.models.health import Profile
from include.models.health_peer_query import AGE_BANDS, POSITIONS, TABLE, UNKNOWN_TIER
from include.warehouse.engine import has_table

Quantiles = tuple[float, ...]


@dataclass(frozen=True)
class Peers:
    """The quantiles of one version of a profile.

    Args:
        measures: The measures whose value is a percentile among peers.
        known: (month end, measure, tier, age band) -> quantiles.
    """

    measures: frozenset[str] = frozenset()
    known: dict[tuple[date, str, str, str], Quantiles] = field(default_factory=dict)

    def position(self, measure: str, value: float | None, month_end: date, tier: str | None, days: int) -> float | None:
        """Return a value's percentile, 0 to 100; None if the value or the peers' quantiles are unknown.

        Args:
            measure: The measure.
            value: The account's value.
            month_end: The month end of the peers' quantiles.
            tier: The account's tier.
            days: Days since it became a customer.
        """
        age = next(name for below, name in AGE_BANDS if below is None or days < below)
        groups = ((tier or UNKNOWN_TIER, age), (tier or UNKNOWN_TIER, ""), ("", ""))
        found = next((q for each in groups if (q := self.known.get((month_end, measure, *each)))), None)
        return None if found is None or value is None else position(float(value), found)


def month_end(day: date) -> date:
    """Return the month end whose quantiles apply to a day: the end of the previous month."""
    return day.replace(day=1) - timedelta(days=1)


def position(value: float, quantiles: Sequence[float]) -> float:
    """Return a value's percentile among quantiles. A value shared by several quantiles gets their midpoint."""
    lower = 100.0
    upper = 0.0
    for n, at in enumerate(quantiles):
        if value <= at:
            lower = _between(value, quantiles, n - 1) if n else 0.0
            break
    for n, at in reversed(list(enumerate(quantiles))):
        if value >= at:
            upper = _between(value, quantiles, n) if n < len(quantiles) - 1 else 100.0
            break
    return (lower + upper) / 2


def _between(value: float, quantiles: Sequence[float], n: int) -> float:
    low, high = quantiles[n], quantiles[n + 1]
    return POSITIONS[n] + (value - low) * (POSITIONS[n + 1] - POSITIONS[n]) / (high - low)


def read(connection: sa.Connection, profile: Profile) -> Peers:
    """Read the quantiles of a profile, if any of its measures needs them."""
    measures = frozenset(measure for key, measure in health.load().peers if key == profile.key)
    if not measures or not has_table(connection, TABLE):
        return Peers(measures)
    rows = connection.execute(_ROWS, {"profile": profile.name, "version": profile.version})
    return Peers(measures, {(row[0], row[1], row[2], row[3]): tuple(row[4:]) for row in rows})


_ROWS = sa.text(
    f"select month_end, measure, tier, age_band, {', '.join(f'p{n}' for n in POSITIONS)} from {TABLE}"  # noqa: S608 - names of this project
    " where profile = :profile and version = :version"
)
