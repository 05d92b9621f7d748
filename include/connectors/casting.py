"""Cast source values to the types of entity columns. Values that do not fit are reported, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from include.entities.catalog import ColumnType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"-?\d{9,15}")
# As APIs write them, and as people type them or name the options of a drop-down.
_YES = ("true", "1", "t", "yes", "y", "on", "x", "✓", "✔", "ja", "wahr", "oui", "vrai", "si", "sí", "sì", "是", "对")
_NO = ("false", "0", "f", "no", "n", "off", "-", "none", "nein", "falsch", "non", "faux", "否", "不")
_FLAGS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)
_MAX_INTEGER = 2**63 - 1

Cast = Callable[[Any], Any]


def caster(kind: ColumnType, zone: ZoneInfo | None = None) -> Cast:
    """Return the function that casts to one column type.

    It returns None for None, "" and blanks, which is how sources clear a value. It raises ``ValueError`` for a value
    that does not fit.

    Args:
        kind: The column's type.
        zone: Time zone for converting timestamps to dates; UTC by default.
    """
    if kind == "date":
        return lambda value: _date(value, zone or UTC)
    return _CASTS[kind]


def time_or_none(value: Any) -> datetime | None:
    """Return a timestamp, or None if the value is not one."""
    try:
        return _moment(value)
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))  # an id that was converted to a float on the way
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value) or None
    return value.isoformat() if isinstance(value, date) else str(value)


def _integer(value: Any) -> int | None:
    if type(value) is int or (type(value) is str and len(value) < 19 and value.isascii() and value.isdigit()):
        number = int(value)
    else:
        exact = _numeric(value)
        if exact is None:
            return None
        if exact != exact.to_integral_value():
            raise ValueError("not an integer")
        number = int(exact)
    if abs(number) > _MAX_INTEGER:
        raise ValueError("too large")
    return number


def _numeric(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool):
        raise ValueError("not a number")
    text = str(value).strip()
    if not text:
        return None
    try:
        # Decimal would read 1_000 as a thousand; no source means that.
        number = Decimal(text) if "_" not in text else Decimal("NaN")
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 1000:
        raise ValueError("not a number")
    return number


def _double(value: Any) -> float | None:
    if type(value) is float and value - value == 0:
        return value
    number = _numeric(value)
    return None if number is None else float(number)


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool) or value is None:
        return value
    if type(value) is str and value in _FLAGS:
        return _FLAGS[value]
    word = str(value).strip().lower()
    if not word:
        return None
    if word in _FLAGS:
        return _FLAGS[word]
    raise ValueError("not a boolean")


def _moment(value: Any) -> datetime | None:
    if type(value) is str:
        # Only the extended format: fromisoformat would also parse milliseconds since the epoch as a year and a day.
        if value[4:5] != "-":
            return _odd_moment(value)
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if value is None:
        return None
    if type(value) is int:
        return _since_epoch(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError("not a timestamp")


def _odd_moment(text: str) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    if _MILLISECONDS.fullmatch(text):
        return _since_epoch(int(text))
    if text[4:5] == "-":
        return _moment(text)
    raise ValueError("not a timestamp")


def _since_epoch(milliseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError("not a timestamp") from None


def _date(value: Any, zone: Any) -> date | None:
    if type(value) is str and len(value) == 10 and value[4] == value[7] == "-":
        return date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    moment = _moment(value)
    if moment is None:
        return None
    as_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # Sources write a plain date as midnight UTC: converting it to another zone could move it to another day.
    is_plain = (as_utc.hour, as_utc.minute, as_utc.second, as_utc.microsecond) == (0, 0, 0, 0)
    return (as_utc if is_plain else moment.astimezone(zone)).date()


def _json(value: Any) -> Any:
    return value


_CASTS: dict[str, Cast] = {
    "text": _text,
    "bigint": _integer,
    "numeric": _numeric,
    "double precision": _double,
    "boolean": _boolean,
    "timestamptz": _moment,
    "jsonb": _json,
}
