"""Assign a band to a score with hysteresis: it changes after some days beyond an edge, or at once on a sharp drop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from include.models.health import Bands

Band = Literal["red", "yellow", "green"]
# After this many days without a known score, the next score sets the band directly, without hysteresis.
FORGOTTEN_DAYS = 14
NAMES: tuple[Band, ...] = ("red", "yellow", "green")


def plain(bands: Bands, number: float) -> Band:
    """Return the band of a score without hysteresis. A score on an edge belongs to the higher band."""
    return NAMES[sum(number >= edge for edge in bands.edges)]


def follow(bands: Bands, days: Iterable[tuple[float | None, bool]]) -> list[Band | None]:
    """Return the band of each day of an account.

    This is the reference for ``marts.health_step``, which computes the same bands for all accounts at once.

    Args:
        bands: The rules.
        days: In order, the computed score (None where the band is unknown) and whether a ceiling lowered it.

    Returns:
        The band of each day; None where it is unknown.
    """
    is_above = [False, False]
    below, above = [0, 0], [0, 0]
    found: list[Band | None] = []
    n_unknown = FORGOTTEN_DAYS
    for number, is_limited in days:
        if number is None:
            n_unknown += 1
            below, above = [0, 0], [0, 0]
            found.append(None)
            continue
        for at, edge in enumerate(bands.edges):
            below[at] = below[at] + 1 if number < edge else 0
            above[at] = above[at] + 1 if number >= edge + bands.rise_by else 0
            plunges = number < edge - bands.plunge_by or (is_limited and number < edge)
            if n_unknown >= FORGOTTEN_DAYS:
                is_above[at] = number >= edge
            elif below[at] >= bands.hold_days or plunges:
                is_above[at] = False
            elif above[at] >= bands.hold_days:
                is_above[at] = True
        n_unknown = 0
        found.append(NAMES[sum(is_above)])
    return found
