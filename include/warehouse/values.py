"""Turns records into rows that PostgreSQL takes, whatever the source delivered.

One bad value must not kill a page: a value that its column cannot hold becomes NULL and a *problem* of the row, which
the contract sends to quarantine; characters that PostgreSQL refuses (NUL and lone surrogates, failure case 49) are
removed, counted, and kept escaped in the payload.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import orjson

from include.sources.entities import ColumnType, Entity

if TYPE_CHECKING:
    from include.sources.base import Record

# What was removed stands escaped under this key of the payload: {"subject": "a\\u0000b"}.
REMOVED = "_removed"
_CLEANED_BY_SOURCE = "_cleaned"
_BIGINT = 2**63
_NUMERIC_DIGITS = 1000  # PostgreSQL takes 131,072 digits; a number this long is no number of anyone's
_SHOWN = 200
# What an index can hold has an end (2,700 bytes at worst): a longer id would keep its whole batch from being merged.
_LONGEST_KEY = 500


@dataclass(slots=True)
class Row:
    """One record as the batch table takes it.

    Args:
        values: In the order of ``columns()``.
        is_cleaned: Whether characters were removed.
    """

    values: list[Any]
    is_cleaned: bool


def columns(entity: Entity) -> tuple[str, ...]:
    """Return the columns of ``Row.values``."""
    return ("id", *entity.column_names, "payload", "_source_at", "_is_deleted", "_problems")


def to_row(entity: Entity, record: Record) -> Row:
    """Return a record as a row; never raises for what the source delivered."""
    removed: dict[str, str] = {}
    problems = {_clean(name): _clean(str(text))[:_SHOWN] for name, text in record.problems.items()}
    given = record.values
    out: list[Any] = [_text("id", "" if record.id is None else str(record.id), removed)]
    if len(out[0]) > _LONGEST_KEY:
        problems["id"] = f"{out[0][:_SHOWN]}..."
        # Shortened it must still differ from others that begin alike.
        out[0] = f"{out[0][:_SHOWN]}...{hashlib.sha256(out[0].encode()).hexdigest()}"
    for column in entity.columns:
        value = given.get(column.name)
        if value is None:
            out.append(None)
        elif column.name == entity.account_ref and len(str(value)) > _LONGEST_KEY:
            out.append(None)
            problems[column.name] = f"{_clean(str(value))[:_SHOWN]}..."
        elif column.type == "text" and type(value) is str:
            out.append(_text(column.name, value, removed))
        elif column.type == "jsonb":
            out.append(_json(value)[0])
        elif _FITS[column.type](value):
            out.append(value)
        else:
            out.append(_as_text(value) if column.type == "text" else None)
            if out[-1] is None:
                problems[column.name] = _clean(str(value))[:_SHOWN]
    source_at = record.source_at
    if source_at is not None and not _is_moment(source_at):
        problems["_source_at"] = _clean(str(source_at))[:_SHOWN]
        source_at = None
    payload, was_unclean = _json(record.payload, removed)
    is_cleaned = was_unclean or bool(removed) or bool(record.payload and record.payload.get(_CLEANED_BY_SOURCE))
    out += (payload, source_at, bool(record.is_deleted), [f"{name}={text}" for name, text in problems.items()] or None)
    return Row(out, is_cleaned)


def _text(name: str, value: str, removed: dict[str, str]) -> str:
    if value.isascii():
        if "\x00" not in value:
            return value
    elif "\x00" not in value and not _has_surrogate(value):
        return value
    removed[name] = json.dumps(value)[1:-1]
    return _clean(value)


def _has_surrogate(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _clean(value: str) -> str:
    return value.replace("\x00", "").encode(errors="ignore").decode()


def _as_text(value: Any) -> str | None:
    """Return a number or flag as text: ids are text here even where the source has integers, but never floats."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | date) else None


def _json(value: Any, removed: dict[str, str] | None = None) -> tuple[str, bool]:
    """Return JSON that ``jsonb`` takes, and whether anything had to be removed."""
    try:
        raw = orjson.dumps({**value, REMOVED: removed} if removed else value, default=str)
        if b"\\u0000" not in raw:
            return raw.decode(), False
    except TypeError:  # a lone surrogate, an integer above 64 bits, a key that is no text
        pass
    try:
        cleaned = _clean_tree(value)
        if removed:
            cleaned[REMOVED] = removed
        return json.dumps(cleaned, default=str, allow_nan=False), cleaned != value
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"_unreadable": f"payload could not be kept: {type(error).__name__}"}), True


def _clean_tree(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(str(key)): _clean_tree(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_tree(inner) for inner in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _is_integer(value: Any) -> bool:
    return type(value) is int and -_BIGINT <= value < _BIGINT


def _is_numeric(value: Any) -> bool:
    if type(value) is Decimal:
        return value.is_finite() and -_NUMERIC_DIGITS < value.adjusted() < _NUMERIC_DIGITS
    return _is_integer(value) or (type(value) is float and isfinite(value))


def _is_double(value: Any) -> bool:
    return (type(value) is float and isfinite(value)) or _is_integer(value)


def _is_date(value: Any) -> bool:
    return type(value) is date


def _is_moment(value: Any) -> bool:
    # The outermost years cannot be read back: their UTC value lies outside of what Python knows.
    return isinstance(value, datetime) and value.tzinfo is not None and 1 < value.year < 9999


_FITS: dict[ColumnType, Callable[[Any], bool]] = {
    "text": lambda value: False,
    "bigint": _is_integer,
    "numeric": _is_numeric,
    "double precision": _is_double,
    "date": _is_date,
    "timestamptz": _is_moment,
    "boolean": lambda value: type(value) is bool,
}
