"""Field types that several settings share."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from include.common import texts

_zones = lru_cache(maxsize=1)(available_timezones)  # reads hundreds of files


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is not an IANA time zone, such as Europe/Berlin")
    return name


def _email(address: str) -> str:
    local, at, domain = address.partition("@")
    if not (local and at and "." in domain) or any(character.isspace() for character in address):
        raise ValueError("is not an e-mail address")
    return address


def _language(name: str) -> str:
    if name and name not in (known := texts.languages()):
        raise ValueError(f"is not a language with texts; there are {', '.join(known)}")
    return name


# One of the languages that exist; "" for the default.
Language = Annotated[str, AfterValidator(_language)]
Zone = Annotated[str, AfterValidator(_zone)]
Email = Annotated[str, AfterValidator(_email)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Days = Annotated[int, Field(ge=0, le=3660)]
# A feature or an event, as figures of use name it. Casing makes no other one, although tools that send events think so:
# https://www.trackingplanhelp.com/
Feature = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(lambda name: name.strip().lower())]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
# As in connections: lower case, and an IPv6 address without brackets.
HostName = Annotated[str, AfterValidator(lambda name: name.strip().strip("[]").lower())]
