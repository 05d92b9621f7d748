"""``backfills/*.yaml``: days to rebuild, each with its reason and the person who approved it."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated, Self

import orjson
from pydantic import Field, model_validator

from include.config import files
from include.config.documents import Strict, parse_all
from include.config.fields import Email

Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2199, 12, 31))]


class Backfill(Strict):
    """Days to rebuild for all accounts.

    Args:
        name: The file's name.
        reason: What was wrong with these days.
        first_day: First day to rebuild.
        last_day: Last day to rebuild.
        requested_by: Who wrote the file.
        approved_by: Who reviewed it; somebody else.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    first_day: Day
    last_day: Day
    requested_by: Email
    approved_by: Email

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("last_day comes before first_day; swap them")
        if self.approved_by.lower() == self.requested_by.lower():
            raise ValueError("approved_by must be somebody other than requested_by")
        return self

    @property
    def build_id(self) -> str:
        """The id of its build. Other days make another build; who asked, and why, do not."""
        days = orjson.dumps([self.first_day, self.last_day])
        return f"backfill/{self.name}-{hashlib.sha256(days).hexdigest()[:8]}"


@files.cached_for("config", "backfills/*.yaml")
def load(found: dict[str, Path]) -> dict[str, Backfill]:
    """Return the backfills by name, without those that have ``disabled: true``.

    Raises:
        ConfigError: A file is wrong. The error names file and line.
    """
    backfills = {}
    for document, one in parse_all(found.values(), Backfill):
        if one.name != document.path.stem:
            raise document.error(("name",), f"is {one.name!r}, but the file is called {document.path.name}")
        backfills[one.name] = one
    return backfills
