"""The contract term of one record, and whether ends are the last day or the day after."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Per = Literal["term", "period", "year", "month"]
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Term:
    """The contract term of one record.

    Args:
        owner: Shared by the terms of one customer: the company, and the product if there is one.
        start: First day.
        end: As given in the CRM.
        months: The length, if given.
        amount: As given in the CRM.
        period: Months of one billing period; None if the record has none.
        deal: For a line, its deal.
        quantity: For a line.
        per: The period that the amount covers, by the mapping.
    """

    id: str
    owner: str = ""
    start: date | None = None
    end: date | None = None
    months: int | None = None
    amount: float | None = None
    period: float | None = None
    deal: str = ""
    quantity: float = 1.0
    per: Per = "term"

    def until(self) -> date | None:
        """Return the day after the last one, from the end or the length."""
        if self.end is not None or self.start is None or not self.months:
            return self.end
        return later(self.start, self.months)

    def length(self) -> float | None:
        """Return the length in months: as given, else whole months from the dates, else by days."""
        if self.months:
            return float(self.months)
        if self.start is None or self.end is None or self.end <= self.start:
            return None
        whole = whole_months(self.start, self.end) or whole_months(self.start, self.end + _DAY)
        return float(whole) if whole else (self.end - self.start).days / 365 * 12


def whole_months(start: date, end: date) -> int | None:
    """Return the number of whole months between two days; None if it is not an integer."""
    n = (end.year - start.year) * 12 + end.month - start.month
    if n <= 0:
        return None
    is_last = start.day == calendar.monthrange(start.year, start.month)[1]
    last = calendar.monthrange(end.year, end.month)[1]
    return n if end.day == min(start.day, last) or (is_last and end.day == last) else None


def later(start: date, months: int) -> date:
    """Return the day this many months later."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Ends:
    """Evidence on whether ends are the last day or the day after.

    Args:
        as_given: Terms that are whole months, or are followed by the next term, with the end as given.
        a_day_later: Terms for which that holds one day after the end.
        neither: Terms for which neither holds.
        followed: How many were decided by the start of the next term.
        by_month: Set without start dates: counts ends on the last day of a month against ends on the first.
    """

    as_given: int = 0
    a_day_later: int = 0
    neither: int = 0
    followed: int = 0
    by_month: bool = False

    @property
    def n(self) -> int:
        """Number of terms examined."""
        return self.as_given + self.a_day_later + self.neither

    @property
    def add_days(self) -> int:
        """Return 1 if the ends are last days, else 0."""
        return int(self.a_day_later > self.as_given)

    @property
    def is_sure(self) -> bool:
        """Whether at least three terms decide, and at least 80% of them agree."""
        decided = self.as_given + self.a_day_later
        return decided >= 3 and max(self.as_given, self.a_day_later) >= 0.8 * decided

    def __str__(self) -> str:
        """Return the evidence in words."""
        if not self.n:
            return "no evidence whether it is the last day or the day after"
        if self.by_month:
            return (
                f"{self.a_day_later} are the last day of a month, {self.as_given} the first, {self.neither} another day"
            )
        text = (
            f"of {self.n} terms, {self.as_given} are whole months with the end as given, {self.a_day_later} with the"
            f" day after, {self.neither} with neither"
        )
        return text + (f"; {self.followed} of them decided by the start of the next term" if self.followed else "")


def read_ends(terms: Iterable[Term]) -> Ends:
    """Decide whether ends are last days, from whole months and from following terms."""
    dated = [term for term in terms if term.start and term.end and term.end > term.start]
    starts: dict[str, set[date]] = defaultdict(set)
    for term in dated:
        if term.start and term.owner:
            starts[term.owner].add(term.start)
    given = after = neither = followed = 0
    for term in dated:
        assert term.start is not None and term.end is not None
        next_on = term.end in starts[term.owner], term.end + _DAY in starts[term.owner]
        whole = whole_months(term.start, term.end), whole_months(term.start, term.end + _DAY)
        if next_on[0] != next_on[1]:
            followed += 1
            given, after = given + next_on[0], after + next_on[1]
        elif (whole[0] is None) != (whole[1] is None):
            given, after = given + (whole[0] is not None), after + (whole[1] is not None)
        else:
            neither += 1
    return Ends(given, after, neither, followed)


def read_month_ends(ends: Sequence[date]) -> Ends:
    """Decide the same for ends without starts: contracts mostly begin on the first of a month."""
    last = sum((end + _DAY).day == 1 for end in ends)
    first = sum(end.day == 1 for end in ends)
    return Ends(first, last, len(ends) - last - first, by_month=True)
