"""Convert records to rows that PostgreSQL accepts, whatever the source delivered.

One bad value must not fail a page. A value that does not fit its column becomes NULL and a *problem* of the row, which
the contract sends to quarantine. Characters that PostgreSQL rejects (NUL and lone surrogates) are removed, counted, and
kept escaped in the payload.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

import orjson

from include.entities.catalog import ENTITIES, ColumnType, Entity

if TYPE_CHECKING:
    from include.connectors.base import Record

# Removed characters are kept, escaped, under this key of the payload: {"subject": "a\\u0000b"}.
REMOVED = "_removed"
_CLEANED_BY_SOURCE = "_cleaned"
_BIGINT = 2**63
_NUMERIC_DIGITS = 1000  # PostgreSQL accepts 131,072 digits, but no real number is this long
_MAX_SHOWN = 200
# An index entry has a maximum size (2,700 bytes at worst). A longer id would block the merge of its whole batch.
_MAX_KEY_LENGTH = 500
_Conversion = Callable[[Any], Any]


@dataclass(slots=True)
class Row:
    """One record in the form of the batch table.

    Args:
        values: In the order of ``columns()``.
        is_cleaned: Whether characters were removed.
    """

    values: Sequence[Any]
    is_cleaned: bool


def columns(entity: Entity) -> tuple[str, ...]:
    """Return the columns of ``Row.values``."""
    return ("id", *entity.column_names, "payload", "_source_at", "_is_deleted", "_problems")


def types(entity: Entity) -> tuple[str, ...]:
    """Return the types of ``Row.values``, by PostgreSQL's internal names."""
    own = ("jsonb", "timestamptz", "bool", "text[]")
    return ("text", *(_INTERNAL_TYPES.get(column.type, column.type) for column in entity.columns), *own)


def to_row(entity: Entity, record: Record) -> Row:
    """Return a record as a row. Bad source data never raises."""
    removed: dict[str, str] = {}
    problems = {_clean(name): _clean(str(text))[:_MAX_SHOWN] for name, text in record.problems.items()}
    given = record.values
    out: list[Any] = [_key(record.id, removed, problems)]
    for name, convert in _conversions(entity.name):
        value = given.get(name)
        if value is None:
            out.append(None)
        elif convert is not None:
            converted = convert(value)
            out.append(converted)
            if converted is None:
                problems[name] = _clean(str(value))[:_MAX_SHOWN]
        elif type(value) is str:
            out.append(value if value.isascii() and "\x00" not in value else _text(name, value, removed))
        else:
            out.append(_as_text(value))
            if out[-1] is None:
                problems[name] = _clean(str(value))[:_MAX_SHOWN]
    account = entity.account_ref
    if account and given.get(account) is not None and len(str(given[account])) > _MAX_KEY_LENGTH:
        out[1 + entity.column_names.index(account)] = None
        removed.pop(account, None)
        problems[account] = f"{_clean(str(given[account]))[:_MAX_SHOWN]}..."
    source_at = record.source_at
    if source_at is not None and _moment(source_at) is None:
        problems["_source_at"] = _clean(str(source_at))[:_MAX_SHOWN]
        source_at = None
    payload, was_cleaned = _json(record.payload, removed)
    is_cleaned = was_cleaned or bool(removed) or bool(record.payload and record.payload.get(_CLEANED_BY_SOURCE))
    out += (payload, source_at, bool(record.is_deleted), [f"{name}={text}" for name, text in problems.items()] or None)
    return Row(out, is_cleaned)


@cache
def _conversions(entity: str) -> tuple[tuple[str, _Conversion | None], ...]:
    """Return (column, conversion) pairs; None for text columns."""
    return tuple((column.name, _CONVERSIONS[column.type]) for column in ENTITIES[entity].columns)


def _key(given: Any, removed: dict[str, str], problems: dict[str, str]) -> str:
    key = _text("id", "" if given is None else str(given), removed)
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    problems["id"] = f"{key[:_MAX_SHOWN]}..."
    # The shortened id must still differ from others with the same beginning.
    return f"{key[:_MAX_SHOWN]}...{hashlib.sha256(key.encode()).hexdigest()}"


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
    """Return a number or flag as text. Ids are stored as text even if the source uses integers, but never floats."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | date) else None


def _json(value: Any, removed: dict[str, str] | None = None) -> tuple[bytes, bool]:
    """Return JSON that ``jsonb`` accepts, and whether anything was removed."""
    try:
        raw = orjson.dumps({**value, REMOVED: removed} if removed else value, default=str)
        if b"\\u0000" not in raw:
            return raw, False
    except TypeError:  # a lone surrogate, an integer above 64 bits, or a non-text key
        pass
    try:
        cleaned = _clean_tree(value)
        if removed:
            cleaned[REMOVED] = removed
        return json.dumps(cleaned, default=str, allow_nan=False).encode(), cleaned != value
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"_unreadable": f"payload could not be stored: {type(error).__name__}"}).encode(), True


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


def _integer(value: Any) -> int | None:
    return value if type(value) is int and -_BIGINT <= value < _BIGINT else None


def _numeric(value: Any) -> Decimal | None:
    if type(value) is Decimal:
        return value if value.is_finite() and -_NUMERIC_DIGITS < value.adjusted() < _NUMERIC_DIGITS else None
    if _integer(value) is not None or (type(value) is float and isfinite(value)):
        return Decimal(str(value))
    return None


def _double(value: Any) -> float | None:
    return float(value) if (type(value) is float and isfinite(value)) or _integer(value) is not None else None


def _date(value: Any) -> date | None:
    return value if type(value) is date else None


def _moment(value: Any) -> datetime | None:
    # The outermost years cannot be read back: in UTC they may fall outside Python's range.
    if isinstance(value, datetime) and value.tzinfo is not None and 1 < value.year < 9999:
        return value
    return None


def _boolean(value: Any) -> bool | None:
    return value if type(value) is bool else None


# Conversions by column type; each returns None for a value that does not fit.
_CONVERSIONS: dict[ColumnType, _Conversion | None] = {
    "text": None,
    "bigint": _integer,
    "numeric": _numeric,
    "double precision": _double,
    "date": _date,
    "timestamptz": _moment,
    "boolean": _boolean,
    "jsonb": lambda value: _json(value)[0],
}
_INTERNAL_TYPES = {"bigint": "int8", "double precision": "float8", "boolean": "bool"}
