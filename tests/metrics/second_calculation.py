"""Compare stored metric values with those of the second calculations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest

from tests.fixtures.landing import rows


def stored(period: str = "month", grain: str = "all") -> dict[str, dict[tuple[date, str], float | None]]:
    """Return metric -> (last day, group) -> value."""
    found: dict[str, dict[tuple[date, str], float | None]] = {}
    query = "select metric_id, as_of, grain_key, value from marts.kpi_value where period = :period and grain = :grain"
    for metric, as_of, key, value in rows(query, period=period, grain=grain):
        found.setdefault(metric, {})[as_of, key] = None if value is None else float(value)
    return found


def assert_same(expected: Mapping[str, float | None], end: date, grain: str = "all", key: str = "all") -> None:
    """Compare all values of a month and group at once, so that a failure names every difference."""
    values = stored(grain=grain)
    found = {name: (values.get(name, {}).get((end, key)), value) for name, value in expected.items()}
    differing = {name: both for name, both in found.items() if not _is_same(*both)}
    assert not differing, f"stored, expected: {differing}"


def _is_same(one: float | None, expected: float | None) -> bool:
    if one is None or expected is None:
        return one is expected
    return one == pytest.approx(float(expected), abs=1e-6)
