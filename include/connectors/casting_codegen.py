"""The lines that turn what a source says into a column's type; see ``include.common.codegen``."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from include.entities.catalog import ColumnType

_LARGEST = 2**63 - 1
# What needs no cast: how to tell, and what then is the column's value.
_READY: dict[ColumnType, tuple[str, str]] = {
    "text": ("type(found) is str", "found or None"),
    "bigint": (f"type(found) is int and {-_LARGEST} <= found <= {_LARGEST}", "found"),
    "double precision": ("type(found) is float and found - found == 0", "found"),
    "boolean": ("type(found) is bool", "found"),
    "date": ("type(found) is date", "found"),
    "timestamptz": ("type(found) is datetime and found.tzinfo is not None", "found"),
}
KNOWN: dict[str, Any] = {"date": date, "datetime": datetime, "Decimal": Decimal}


def cast_lines(target: str, column: str, cast: str, kind: ColumnType | None) -> list[str]:
    """Return the lines that set a variable to ``found`` as a column has it, and note in ``problems`` what does not fit.

    Args:
        target: The variable.
        column: The column's name.
        cast: What the function that casts is called.
        kind: The column's type, if values of that type go into it as they are.
    """
    lines = [
        "try:",
        f"    {target} = {cast}(found)",
        "except (ValueError, OverflowError):",
        f"    {target} = None",
        f"    problems[{column!r}] = str(found)[:200]",
    ]
    if kind not in _READY:
        return lines
    test, value = _READY[kind]
    return [f"if {test}:", f"    {target} = {value}", "else:", *indented(lines)]


def indented(lines: list[str]) -> list[str]:
    """Return lines that stand one level deeper."""
    return [f"    {line}" for line in lines]
