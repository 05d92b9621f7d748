"""Decide what an audience may see: its role's rules, and no figures of small groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from include.common import formatting
from include.common.texts import gettext
from include.config.viewers import Viewer

Audience = Literal["executives", "product", "regions", "cs_operations"]
# Each audience sees what this role sees on the pages.
VIEWERS: dict[Audience, Viewer] = {
    "executives": Viewer(role="executive"),
    "product": Viewer(role="operator"),
    "regions": Viewer(role="region", regions=("any",)),
    "cs_operations": Viewer(role="head"),
}
FEWEST = 5  # least number of accounts in a group whose figures are shown


def withheld() -> str:
    return gettext("withheld")


def why_withheld() -> str:
    return gettext(
        "Withheld: groups of fewer than {n} accounts, and the next smallest group if they could be derived from it.",
        n=FEWEST,
    )


Kind = Literal["text", "account", "person", "amount", "number", "share"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        kind: ``account`` holds a pair of key and name; ``person`` holds a person's name.
    """

    name: str
    kind: Kind = "text"


def small(sizes: Sequence[int]) -> set[int]:
    """Return the positions of groups to withhold: small ones, plus others so that none can be derived from the total.

    This is complementary suppression: at least two groups are withheld, with at least ``FEWEST`` accounts together. See
    https://doi.org/10.1007/978-1-4613-0121-9 (Willenborg and de Waal, Elements of Statistical Disclosure Control).

    Args:
        sizes: Number of accounts in each group.
    """
    found = {place for place, size in enumerate(sizes) if 0 < size < FEWEST}
    others = sorted((size, place) for place, size in enumerate(sizes) if size >= FEWEST)
    while found and others and (len(found) < 2 or sum(sizes[place] for place in found) < FEWEST):
        found.add(others.pop(0)[1])
    return found


def visible(columns: Sequence[Column], viewer: Viewer) -> list[int]:
    """Return the positions of the columns that a viewer may see."""
    hidden = {"person": not viewer.sees_people, "amount": not viewer.sees_amounts}
    return [place for place, column in enumerate(columns) if not hidden.get(column.kind, False)]


def rows(
    columns: Sequence[Column], found: Sequence[Sequence[Any]], viewer: Viewer, sizes: Sequence[int] | None = None
) -> tuple[list[list[str]], bool]:
    """Return the texts of a table's visible cells, and whether something was withheld.

    Args:
        sizes: Number of accounts behind each row, if rows are groups of accounts.
    """
    hidden = small(sizes) if sizes is not None and not viewer.sees_people else set()
    shown = visible(columns, viewer)
    texts = [
        [
            withheld() if place in hidden and position else text(row[column], columns[column].kind, viewer)
            for position, column in enumerate(shown)
        ]
        for place, row in enumerate(found)
    ]
    return texts, bool(hidden)


def text(value: Any, kind: Kind, viewer: Viewer) -> str:
    """Return a cell as text."""
    if kind == "account":
        key, name = value
        return str(name) if viewer.sees_names and name else str(key)
    if value is None or value == "":
        return "-"
    if kind == "share":
        return formatting.percent(value, 1)
    if kind == "amount":
        return formatting.number(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    return formatting.kpi_value(float(value), "") if kind == "number" else str(value)
