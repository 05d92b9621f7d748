"""Generate the query of the customer value score from ``sql/value``; ``include.scores.value`` explains the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from include.models import value
from include.models.health_query import piecewise
from include.models.value import Definition, Dimension, Version

FOLDER = "marts/account_value_part"
SOURCE = "sql/value"
_HEAD = """\
-- Purpose: the score of each dimension of the customer value score, per account and month end.
-- Grain: customer account, month end and dimension. Inputs: the score's inputs, the columns that no source provides.
-- Window: month ends on days [start, end).
-- Caveats: generated from sql/value. Weight 0: the dimension does not apply, or no source provides its inputs. A null
-- score is missing; its weight goes to the other dimensions.
"""
_WINDOW = (
    "    where as_of >= :start and as_of < :end\n"
    "        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))"
)


def text() -> str:
    """Return the query for the definitions in force."""
    known = value.load()
    names = list(dict.fromkeys(each.id for version in known.versions for each in version.dimensions))
    gaps = [f"coalesce(max(case when metric_id = '{value.GAP}{name}' then 1 end), 0) as gap_{name}" for name in names]
    steps = [
        _step("gaps", gaps, "meta.metric_gap\n    where from_day = date '1990-01-01'"),
        _step("dated", ["*", f"{_choice(known)} as definition"], f"{value.INPUT}\n{_WINDOW}"),
        _step("chosen", ["*", *_of_version(known)], "dated"),
    ]
    for name in names:
        steps += _dimension(known, name)
    made = ",\n\n".join(steps)
    selected = ",\n    ".join(_SELECTED)
    everything = "\nunion all\n".join(f"select\n    {selected}\nfrom part_{name}" for name in names)
    return f"{_HEAD}with {made}\n\n{everything}\n"


_KEPT = ("account_key", "as_of", "definition", "is_preliminary", "floor", "known_on", "weight")
_SELECTED = (
    "account_key",
    "as_of",
    "dimension",
    "definition",
    "is_preliminary",
    "floor",
    "known_on",
    "raw",
    "case when score > highest then highest else score end as score",
    "weight",
)


def _step(name: str, columns: Sequence[str], source: str, end: str = "") -> str:
    listed = ",\n        ".join(columns)
    return f"{name} as (\n    select\n        {listed}\n    from {source}{end}\n)"


def _choice(known: Definition) -> str:
    """Return the SQL of a row's version: the latest one valid at the month's end."""
    key = f"'{known.versions[0].key}'"
    for version in known.versions[1:]:
        key = f"case when as_of >= date '{version.valid_from}' then '{version.key}' else {key} end"
    return key


def _case(known: Definition, render: Callable[[Version], str]) -> str:
    """Return a ``case`` over the versions."""
    arms = (f"when definition = '{each.key}' then {render(each)}" for each in known.versions)
    return f"case {' '.join(arms)} end"


def _of_version(known: Definition) -> list[str]:
    preliminary = _case(known, lambda each: f"({known.conditions[each.key, '', 'preliminary']}) is true")
    floor = _case(known, lambda each: repr(each.floor))
    return [f"{preliminary} as is_preliminary", f"cast({floor} as double precision) as floor"]


def _dimension(known: Definition, name: str) -> tuple[str, str]:
    """Return the steps of a dimension: its figures, then its score and weight."""
    by_version = {version.key: each for version in known.versions for each in version.dimensions if each.id == name}

    def case(render: Callable[[str, Dimension], str], otherwise: str = "null") -> str:
        return _case(
            known, lambda version: render(version.key, found) if (found := by_version.get(version.key)) else otherwise
        )

    def figure(position: int, kind: str) -> Callable[[str, Dimension], str]:
        return lambda key, each: _figure(known, key, each, position, kind)

    dated = case(lambda _, each: f"coalesce({each.dated}, as_of)" if each.dated else "as_of")
    weight = case(lambda key, each: _weight(known, key, each), "0")
    highest = case(lambda key, each: _cap(known, key, each))
    columns = [
        *_KEPT[:-2],
        f"cast({dated} as date) as known_on",
        f"cast({weight} as double precision) * (1 - gap_{name}) as weight",
        f"cast({highest} as double precision) as highest",
    ]
    for position in range(max(len(each.parts) for each in by_version.values())):
        columns += [
            f"cast({case(figure(position, 'points'))} as double precision) as x{position}",
            f"cast({case(figure(position, 'scores'))} as text) as x{position}_word",
        ]
    scored = [
        *_KEPT,
        "highest",
        f"'{name}' as dimension",
        "x0 as raw",
        f"cast({case(lambda _, each: _score(each))} as double precision) as score",
    ]
    return (
        _step(f"read_{name}", columns, "chosen\n    cross join gaps", "\n    offset 0"),
        _step(f"part_{name}", scored, f"read_{name}", "\n    offset 0"),
    )


def _weight(known: Definition, key: str, each: Dimension) -> str:
    condition = known.conditions.get((key, each.id, "applies"))
    return f"case when {condition} then {each.weight!r} else 0 end" if condition else repr(each.weight)


def _cap(known: Definition, key: str, each: Dimension) -> str:
    condition = known.conditions.get((key, each.id, "cap"))
    return f"case when {condition} then {each.cap.at_most!r} end" if condition and each.cap else "null"


def _figure(known: Definition, key: str, each: Dimension, position: int, kind: str) -> str:
    if position >= len(each.parts) or not getattr(each.parts[position], kind):
        return "null"
    return known.values[key, each.id, position]


def _score(each: Dimension) -> str:
    terms = []
    for position, part in enumerate(each.parts):
        if part.points:
            text = piecewise(f"x{position}", part.points)
        else:
            arms = " ".join(f"when '{word}' then {score!r}" for word, score in part.scores.items())
            text = f"case x{position}_word {arms} end"
        terms.append(f"{part.share!r} * {text}")
    return " + ".join(terms)
