"""Compare a day's number of rows with the same weekdays before it, at the level that people have accepted.

A person who accepts a day with unusually few or many rows may accept a lasting change or an exception. The next
comparable day decides. If it is closer to the new level, the change lasts: the counts of weekdays before it are scaled
by it, so that no other weekday needs to be accepted. If it is closer to the old level, the change is over. Until then
both levels are accepted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from include.contracts.limits import Limits

WEEKS = 4
# A change matters while weekdays before it are compared, and is itself compared with the weekdays before it.
_REMEMBERED = timedelta(weeks=2 * WEEKS)
# First day, and the factor of the change.
Change = tuple[date, float]
_ACCEPTED = re.compile(r"day (\S+) n (\d+) usual ([\d.]+)")


@dataclass(frozen=True)
class Accepted:
    """A day that a person accepted, with its rows at that time and the usual number."""

    day: date
    n: int
    usual: float


def accepted(observed: Iterable[str]) -> tuple[Accepted, ...]:
    """Return the accepted days from the results of accepted batches. For each day the last result counts."""
    found = {date.fromisoformat(day): (n, usual) for day, n, usual in _ACCEPTED.findall("; ".join(observed))}
    return tuple(Accepted(day, int(n), float(usual)) for day, (n, usual) in sorted(found.items()))


def compared(day: date, known: Sequence[Accepted]) -> list[date]:
    """Return the days whose rows are needed to check a day."""
    weekdays = [day - timedelta(weeks=week) for week in range(WEEKS + 1)]
    changes = [each.day for each in known if day - _REMEMBERED <= each.day < day]
    if not changes:
        return weekdays
    first = changes[0] - timedelta(weeks=WEEKS)
    return sorted({*weekdays, *(first + timedelta(days=n) for n in range((day - first).days))})


def unusual(counts: Mapping[date, int], day: date, known: Sequence[Accepted], limits: Limits) -> float | None:
    """Return the usual number of rows if a day has far fewer or far more; None if it does not.

    Args:
        counts: Day -> its rows; see ``compared``.
        day: The day.
        known: The days that people accepted.
        limits: The limits in force.
    """
    n = counts.get(day, 0)
    before = [each for each in known if day - _REMEMBERED <= each.day < day]
    # An accepted batch may not be merged yet.
    counts = {**counts, **{each.day: max(each.n, counts.get(each.day, 0)) for each in before}}
    levels = [_usual(counts, day, changes, limits) for changes in _courses(counts, day, before, limits)]
    usual = [level for level in levels if level]
    if not n or len(usual) < len(levels) or any(_is_usual(n, level, limits) for level in usual):
        return None
    closest = min(usual, key=lambda level: _distance(n, level))
    sides = [each.n < each.usual for each in known if each.day == day]
    return None if (n < closest) in sides else closest


def _courses(
    counts: Mapping[date, int], day: date, known: Sequence[Accepted], limits: Limits
) -> tuple[list[Change], ...]:
    """Return the changes that last. If the newest one is undecided, return them both without and with it."""
    changes: list[Change] = []
    for number, each in enumerate(known):
        usual = _usual(counts, each.day, changes, limits)
        if not usual:
            continue
        changed = [*changes, (each.day, counts[each.day] / usual)]
        # The next accepted day decides too.
        until = known[number + 1].day if number + 1 < len(known) else day - timedelta(days=1)
        lasts = _lasts(counts, each.day, until, changes, changed, limits)
        if lasts is None and each is known[-1]:
            return changes, changed
        changes = changes if lasts is False else changed
    return (changes,)


def _lasts(
    counts: Mapping[date, int], since: date, until: date, old: list[Change], new: list[Change], limits: Limits
) -> bool | None:
    for n in range(1, (until - since).days + 1):
        day = since + timedelta(days=n)
        before, after = _usual(counts, day, old, limits), _usual(counts, day, new, limits)
        if before and after and before != after and counts.get(day):
            return _distance(counts[day], after) < _distance(counts[day], before)
    return None


def _usual(counts: Mapping[date, int], day: date, changes: Iterable[Change], limits: Limits) -> float | None:
    before = [(each, counts.get(each, 0)) for each in (day - timedelta(weeks=week) for week in range(1, WEEKS + 1))]
    rows = [
        n * math.prod(times for since, times in changes if each < since <= day)
        for each, n in before
        if n >= limits.day_rows and n
    ]
    # More than one of the weekdays may have been a holiday, so three of four are enough.
    return median(rows) if len(rows) >= WEEKS - 1 else None


def _is_usual(n: int, level: float, limits: Limits) -> bool:
    # A level too low for comparison has been accepted.
    is_small = level < limits.day_rows and n < limits.day_rows
    return is_small or limits.day_low * level <= n <= limits.day_high * level


def _distance(n: int, level: float) -> float:
    return abs(math.log(n / level))
