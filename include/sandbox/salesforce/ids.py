"""Salesforce ids: 15 case-sensitive characters, plus three for systems that ignore case."""

from __future__ import annotations

import string

# In sort order, like the real ids.
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKS = string.ascii_uppercase + "012345"
_ORG = "SB0"


def encode(prefix: str, number: int) -> str:
    """Return the 18-character id of a record."""
    digits = ""
    for _ in range(9):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    short = f"{prefix}{_ORG}{digits}"
    return short + _suffix(short)


def decode(text: str, prefix: str) -> int | None:
    """Return the number behind an id of 15 or 18 characters; None if the prefix does not match."""
    short = text[:15]
    if len(text) not in (15, 18) or not short.startswith(prefix + _ORG) or (text[15:] and text[15:] != _suffix(short)):
        return None
    number = 0
    for character in short[6:]:
        if character not in _DIGITS:
            return None
        number = number * 62 + _DIGITS.index(character)
    return number


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    return len(text) in (15, 18) and text.isalnum() and text.isascii()


def full(text: str) -> str:
    """Return an id's 18-character form."""
    return text + _suffix(text) if len(text) == 15 else text


def _suffix(short: str) -> str:
    """Return the three check characters. Each encodes which of five characters are upper case."""
    return "".join(
        _CHECKS[sum(1 << place for place, character in enumerate(short[start : start + 5]) if character.isupper())]
        for start in (0, 5, 10)
    )
