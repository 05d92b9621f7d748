"""Profile a property's values: numbers, dates, lengths of time and flags; how many, and how old."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from include.connectors.casting import caster
from include.connectors.durations import months_of
from include.operations.mapping_proposal.portal import Property, Row

# A property filled in a smaller share of rows than this is dead.
DEAD = 0.02
# A date property whose dates are all older than this is no longer maintained.
STALE_DAYS = 550
_DATE, _NUMBER, _FLAG = caster("date"), caster("numeric"), caster("boolean")
# Dates and numbers as people type them, which no cast accepts.
_TYPED_DATE = re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{4}[/.]\d{1,2}[/.]\d{1,2}|\d{4}年\d{1,2}月\d{1,2}日")
_TYPED_NUMBER = re.compile(r"[^\d-]{0,4}-?\d{1,3}(?:[.,' ]\d{3})*(?:[.,]\d{1,2})?\s?(?:[^\W\d_]{1,3}|[€$£¥])?")
_FIRST_DAY = date(1990, 1, 1)


def number(value: Any) -> float | None:
    """Return a value as a number, or None."""
    found = _tried(_NUMBER, value)
    return None if found is None else float(found)


def day(value: Any) -> date | None:
    """Return a value as a date, or None."""
    found: date | None = _tried(_DATE, value)
    return found if found is not None and found > _FIRST_DAY else None


def months(value: Any) -> int | None:
    """Return a length of time in whole months, or None."""
    found: int | None = _tried(months_of, value)
    return found


def _tried(cast: Callable[[Any], Any], value: Any) -> Any:
    if value is None or value == "":
        return None
    try:
        return cast(value)
    except (ValueError, TypeError):
        return None


def shape(text: str) -> str:
    """Return a text with letters as A and digits as 9: its form without its data."""
    return re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", text))[:24]


@dataclass(frozen=True, eq=False)
class Profile:
    """A property and its values in the relevant rows.

    Args:
        today: The day of reading.
    """

    about: Property
    rows: Sequence[Row]
    today: date

    @cached_property
    def values(self) -> list[Any]:
        """All values that are not empty."""
        name = self.about.name
        found = (value_of(row, name) for row in self.rows)
        return [value for value in found if value is not None and str(value).strip() != ""]

    @property
    def share(self) -> float:
        """Share of rows with a value."""
        return len(self.values) / len(self.rows) if self.rows else 0.0

    @cached_property
    def counts(self) -> Counter[str]:
        """Value -> number of rows."""
        return Counter(str(value) for value in self.values)

    @cached_property
    def days(self) -> list[date]:
        """The values that are dates."""
        return [found for value in self.values if (found := day(value)) is not None]

    @cached_property
    def numbers(self) -> list[float]:
        """The values that are numbers."""
        return [found for value in self.values if (found := number(value)) is not None]

    @cached_property
    def lengths(self) -> list[int]:
        """The values that are lengths of time, in months."""
        return [found for value in self.values if (found := months(value)) is not None]

    def part(self, found: Sequence[Any]) -> float:
        """Return the share of values that could be parsed."""
        return len(found) / len(self.values) if self.values else 0.0

    @property
    def is_dead(self) -> bool:
        """Whether it is empty almost everywhere."""
        return not self.values or (self.share < DEAD and len(self.rows) >= 20)

    @property
    def is_stale(self) -> bool:
        """Whether it holds dates, all more than ``STALE_DAYS`` old."""
        return bool(self.days) and (self.today - max(self.days)).days > STALE_DAYS

    @property
    def is_typed_date(self) -> bool:
        """Whether it is a text with typed dates that no cast accepts."""
        return self._typed(_TYPED_DATE) and self.part(self.days) < 0.9

    @property
    def is_typed_number(self) -> bool:
        """Whether it is a text with typed amounts that no cast accepts."""
        return self._typed(_TYPED_NUMBER) and self.part(self.numbers) < 0.9

    def _typed(self, form: re.Pattern[str]) -> bool:
        hits = sum(form.fullmatch(str(value).strip()) is not None for value in self.values)
        return hits >= 0.6 * len(self.values) > 0

    @property
    def is_flag(self) -> bool:
        """Whether every value is a boolean."""
        return bool(self.values) and all(_tried(_FLAG, value) is not None for value in self.values)

    def examples(self) -> str:
        """Return some example values without personal data: numbers, dates, options; for texts only their form."""
        if self.is_flag or self.about.kind == "choice" or len(self.about.options) > 1:
            return ", ".join(str(value)[:30] for value, _ in self.counts.most_common(4))
        if self.days and self.part(self.days) > 0.9:
            return f"{min(self.days)} to {max(self.days)}"
        if self.numbers and self.part(self.numbers) > 0.9:
            middle = sorted(self.numbers)[len(self.numbers) // 2]
            return f"{min(self.numbers):,.0f} to {max(self.numbers):,.0f}, half below {middle:,.0f}"
        if self.lengths and self.part(self.lengths) > 0.9:
            readable = [value for value, _ in self.counts.most_common() if months(value) is not None]
            return ", ".join(value[:20] for value in readable[:4])
        return ", ".join(dict.fromkeys(shape(value) for value, _ in self.counts.most_common(3)))

    def evidence(self) -> str:
        """Return the share of filled rows, with examples."""
        if not self.values:
            return f"empty in all of {len(self.rows)}"
        return f"filled in {self.share:.0%} of {len(self.rows)}: {self.examples()}"


def value_of(row: Row, name: str) -> Any:
    """Return a value of a row; a dotted name leads into nested objects."""
    found: Any = row.values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) or hasattr(found, "get") else None
    return found
