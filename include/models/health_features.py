"""Read the use of single key features in expressions of ``sql/health``.

``marts.health_input`` holds the use of the features that profiles name as two JSON objects, feature to number. A
feature that is not in them is unknown, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from include.config import expression

_CALL = re.compile(r"""\bfeature_(events|ratio)\(\s*'([^'":\\]+)'\s*\)""")
_EVENTS, _USUAL = "feature_events", "feature_events_usual"
# With few events, one more or less is chance: below this baseline, four are added on both sides, as for person-days.
_FEW, _ADDED = 20, 4


def names(texts: Iterable[str]) -> list[str]:
    """Return the features that expressions name."""
    return list(dict.fromkeys(call[2].lower() for text in texts for call in _CALL.finditer(text)))


def number(text: str, columns: Collection[str]) -> str:
    """Check a numeric expression; see ``expression.number_of``."""
    return _checked(expression.number_of, text, columns)


def condition(text: str, columns: Collection[str]) -> str:
    """Check a condition; see ``expression.literal_condition``."""
    return _checked(expression.literal_condition, text, columns)


def _checked(check: Callable[[str, Collection[str]], str], text: str, columns: Collection[str]) -> str:
    """Check an expression with a made-up column for each feature, and put the SQL of its use in their place."""
    calls: dict[str, str] = {}

    def column(call: re.Match[str]) -> str:
        name = f"feature_call_{len(calls)}"
        calls[name] = _events(call[2].lower()) if call[1] == "events" else _ratio(call[2].lower())
        return name

    plain = _CALL.sub(column, text)
    found = check(plain, (*columns, *calls))
    for name, use in calls.items():
        found = found.replace(f'"{name}"', use)
    return found


def _read(column: str, feature: str) -> str:
    return f"cast(cast(\"{column}\" as jsonb) ->> '{feature}' as double precision)"


def _events(feature: str) -> str:
    return _read(_EVENTS, feature)


def _ratio(feature: str) -> str:
    """Return the SQL of use against the baseline; null without a baseline, or if it is 0."""
    now, usual = _events(feature), _read(_USUAL, feature)
    return (
        f"(case when {usual} = 0 then null when {usual} < {_FEW} then ({now} + {_ADDED}) / ({usual} + {_ADDED})"
        f" else {now} / {usual} end)"
    )
