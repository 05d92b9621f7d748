"""Round numbers so that the lines of an explanation add up to the rounded total."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def cents(value: float | Decimal) -> Decimal:
    """Round to two decimals, halves away from zero, as PostgreSQL does."""
    # Round to twelve decimals first: the float 60.005 is really 60.00499999999999545.
    return Decimal(f"{value:.12f}").quantize(CENT, ROUND_HALF_UP)


def to_sum(parts: Mapping[str, float], total: Decimal) -> dict[str, Decimal]:
    """Round parts to two decimals so that they add up to a rounded total.

    The parts with the largest remainders are rounded up; ties are broken by name. A part that is 0 stays 0.

    Args:
        parts: Name -> exact part.
        total: The rounded sum.
    """
    exact = {name: Decimal(f"{value:.12f}") for name, value in parts.items()}
    rounded = {name: value.quantize(CENT, ROUND_FLOOR) for name, value in exact.items()}
    missing = int((total - sum(rounded.values(), Decimal())) / CENT)
    able = [name for name, value in exact.items() if value]
    able.sort(key=lambda name: (rounded[name] - exact[name], name))
    if missing < 0:
        able.reverse()
    for position in range(abs(missing)):
        if not able:
            break
        name = able[position % len(able)]
        rounded[name] += CENT if missing > 0 else -CENT
    return rounded
