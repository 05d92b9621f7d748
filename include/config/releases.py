"""``releases/*.yaml``: what shipped when, for whom, and the goal that was set before."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from include.config import files
from include.config.documents import PositiveShare, Strict, parse_all
from include.config.fields import Feature
from include.config.person import Person

Names = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]


class Target(Strict):
    """The customers for whom a release is. Each list that is not empty narrows it.

    Args:
        used: Only accounts that used one of these features in the 28 days before.
    """

    tiers: Names = ()
    industries: Names = ()
    regions: Names = ()
    used: tuple[Feature, ...] = ()


class Release(Strict):
    """A release.

    Args:
        name: The file's name.
        features: Its features, as usage data names them. The use of any of them counts.
        goal: Share of the targets that should adopt it within 28 days.
        owner: The person to notify of the result.
        named: Words of ``features`` in triage.yaml that tickets about it name; its features by default.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    released_on: date
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    target: Target = Target()
    goal: PositiveShare | None = None
    owner: Person
    named: Names = ()

    @property
    def definition(self) -> dict[str, Any]:
        """What its result depends on. Once it has shipped, changes of it count no more."""
        return self.model_dump(mode="json", exclude={"name", "title", "owner"})


@files.cached_for("config", "releases/*.yaml")
def load(found: dict[str, Path]) -> dict[str, Release]:
    """Return the releases by name, without those that have ``disabled: true``.

    Raises:
        ConfigError: A file is wrong. The error names file and line.
    """
    releases = {}
    for document, release in parse_all(found.values(), Release):
        if release.name != document.path.stem:
            raise document.error(("name",), f"is {release.name!r}, but the file is called {document.path.name}")
        releases[release.name] = release
    return releases
