"""Parse durations as systems write them (P1Y6M) and as people type them: 12 months, 1 Jahr, 90 days, quarterly, 3."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_DURATION = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:([^\W\d_]+)[.]?)?")
_FILLERS = re.compile(
    r"^P(?=\d)|,(?!\d)|(?<!\d),|[+&']|\b(?:and|und|notice|term|Frist|Laufzeit|de|préavis|preaviso)\b", re.IGNORECASE
)
_UNITS = {
    1: "m mo mos mth mths month months monat monate monaten mois mes meses 个月 月",
    3: "q quarter quarters quartal quartale quartalen trimestre trimestres 季度",
    12: "y yr yrs year years jahr jahre jahren an ans année années año años 年",
}
# Words for a frequency, used for a duration.
_FREQUENCIES = {
    1: "monthly monatlich mensuel mensual 每月",
    3: "quarterly vierteljährlich quartalsweise trimestriel trimestral 每季度",
    6: "half-yearly semi-annual semiannual semi-annually halbjährlich semestriel semestral 每半年",
    12: "yearly annual annually jährlich annuel anual 每年",
}
_MONTHS_OF = {"": 1} | {word: months for months, words in _UNITS.items() for word in words.split()}
_MONTHS_OF_FREQUENCY = {word: months for months, words in _FREQUENCIES.items() for word in words.split()}
_DAYS = frozenset(("d", "day", "days", "tag", "tage", "tagen", "jour", "jours", "día", "días", "天", "日"))


def months_of(value: Any) -> int | None:
    """Return a duration in whole months. A plain number counts as months, and 30 days count as one month.

    Raises:
        ValueError: It is not a duration, or not a whole number of months.
    """
    text = _FILLERS.sub(" ", str(value).strip()).strip()
    if not text:
        return None
    if text.lower() in _MONTHS_OF_FREQUENCY:
        return _MONTHS_OF_FREQUENCY[text.lower()]
    parts = _DURATION.findall(text)
    months = [_months(Decimal(number.replace(",", ".")), unit.lower()) for number, unit in parts]
    if not parts or _DURATION.sub("", text).strip() or None in months:
        raise ValueError(f"{value!r} is not a whole number of months, such as 12, P1Y or 90 days")
    return sum(one for one in months if one is not None)


def _months(number: Decimal, unit: str) -> int | None:
    found = number / 30 if unit in _DAYS else number * _MONTHS_OF[unit] if unit in _MONTHS_OF else None
    return int(found) if found is not None and found % 1 == 0 else None
