"""Read the definitions of the customer value score from ``sql/value/*.yaml``, one file per version.

The version with the latest ``valid_from`` up to a month's end applies. Months before all versions use the first one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import Field, model_validator

from include.common.errors import ConfigError
from include.config import expression, files
from include.config.documents import Document, Strict, parse_all
from include.models import registry
from include.models.health import Name
from include.models.metrics import Need

# The table whose columns expressions may name.
INPUT = "marts.value_input"
# Prefix of dimensions in meta.metric_gap, which lists those that no source provides.
GAP = "value."
Score = Annotated[float, Field(ge=0, le=100)]


class Part(Strict):
    """A figure of a dimension, and how it becomes a score.

    Args:
        value: An expression over columns of ``marts.value_input``. With ``scores``, the name of a text column.
        points: Pairs of value and score, by rising value. Linear between them, constant beyond.
        scores: Word -> score. Other words count as unknown.
        share: Its share of the dimension.
    """

    value: str
    points: tuple[tuple[float, Score], ...] = ()
    scores: dict[Name, Score] = Field(default={})
    share: Annotated[float, Field(gt=0, le=1)] = 1

    @model_validator(mode="after")
    def _check_scale(self) -> Part:
        if bool(self.points) == bool(self.scores):
            raise ValueError("set either points or scores, not both")
        if self.points:
            values, scores = zip(*self.points, strict=True)
            if len(values) < 2 or list(values) != sorted(set(values)):
                raise ValueError("needs at least two points with ascending values")
            if list(scores) not in (sorted(scores), sorted(scores, reverse=True)):
                raise ValueError("the scores of points must be all ascending or all descending")
        return self


class Cap(Strict):
    """A limit of a dimension's score: at most ``at_most`` while ``when`` holds."""

    when: str
    at_most: Score


class Dimension(Strict):
    """A dimension of the score: one reason why an account matters.

    Args:
        id: Its name.
        title: Its title for people.
        weight: Its weight.
        parts: Its figures. If one is unknown, the dimension is missing.
        cap: Its limit, if any.
        dated: The column with the day of the newest fact behind it. Without it, the month's end.
        needs: Entities, or columns of them. The dimension is left out for all accounts if no source provides them.
        applies: A condition. The dimension is left out for accounts where it does not hold.
        evidence: The text for people, a template over the columns.
    """

    id: Name
    title: str
    weight: Annotated[float, Field(gt=0, le=100)]
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    cap: Cap | None = None
    dated: str = ""
    needs: tuple[Need, ...] = ()
    applies: str = ""
    evidence: str

    @model_validator(mode="after")
    def _check_shares(self) -> Dimension:
        if abs(sum(part.share for part in self.parts) - 1) > 1e-9:
            raise ValueError("the shares of parts must add up to 1")
        return self


class Tier(Strict):
    """A tier.

    Args:
        name: As in the CRM, in lower case.
        edge: Its lowest score.
        has_places: Whether its accounts take places of senior CSMs (``people.yaml: places``).
    """

    name: Name
    edge: Annotated[float, Field(ge=0, lt=100)]
    has_places: bool = False


class Moves(Strict):
    """When to propose a change of tier. Scores are in points.

    Args:
        rise_by: Propose a rise if the score is this far above the edge at two consecutive quarter ends.
        at_once_by: Propose a rise after one quarter end, if the score is this far above the edge and a contract was
            signed in the quarter.
        fall_by: Propose a fall if the score is further than this below the edge at two consecutive quarter ends.
        protect_days: No account falls within this many days before a decision date.
    """

    rise_by: Annotated[float, Field(ge=0, le=50)]
    at_once_by: Annotated[float, Field(ge=0, le=50)]
    fall_by: Annotated[float, Field(ge=0, le=50)]
    protect_days: Annotated[int, Field(ge=0, le=366)]


class Version(Strict):
    """A version of the definition.

    Args:
        name: Its name.
        version: Counts from 1.
        valid_from: The first day whose month end it scores.
        floor: Minimum coverage. Below it, no change of tier is proposed.
        preliminary: A condition. While it holds, the score is marked and changes no tier.
        tiers: Highest first. The last one takes all other accounts.
    """

    name: Name
    version: Annotated[int, Field(ge=1)]
    valid_from: date
    floor: Annotated[float, Field(ge=0, le=1)]
    preliminary: str
    tiers: Annotated[tuple[Tier, ...], Field(min_length=2)]
    moves: Moves
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_tiers(self) -> Version:
        for names in ([each.id for each in self.dimensions], [tier.name for tier in self.tiers]):
            if twice := next((name for name in names if names.count(name) > 1), ""):
                raise ValueError(f"{twice} is defined twice")
        edges = [tier.edge for tier in self.tiers]
        if edges != sorted(set(edges), reverse=True) or edges[-1]:
            raise ValueError("the edges of tiers must be descending, and the last one must be 0")
        return self

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Definition:
    """All versions in force, by ``valid_from``.

    Args:
        values: (version key, dimension, number of the part) -> SQL of its value.
        conditions: (version key, dimension, "applies" or "cap") -> SQL; (version key, "", "preliminary") likewise.
    """

    versions: tuple[Version, ...]
    values: Mapping[tuple[str, str, int], str]
    conditions: Mapping[tuple[str, str, str], str]

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Dimension -> entities and columns that any version of it needs."""
        found: dict[str, dict[str, None]] = {}
        for version in self.versions:
            for dimension in version.dimensions:
                found.setdefault(dimension.id, {}).update(dict.fromkeys(dimension.needs))
        return {name: tuple(needed) for name, needed in found.items()}

    @property
    def hash(self) -> str:
        """A short hash of everything that determines a score."""
        parts = [version.model_dump(mode="json") for version in self.versions]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]

    def of(self, day: date) -> Version:
        """Return the version that scores a month's end."""
        return next((each for each in reversed(self.versions) if each.valid_from <= day), self.versions[0])


@files.cached_for("sql", *registry.FILES)
def load(found: dict[str, Path]) -> Definition:
    """Return the definitions in force.

    Raises:
        ConfigError: A file is wrong. The message names file and line.
    """
    columns = registry.selected(INPUT)
    versions: list[Version] = []
    values: dict[tuple[str, str, int], str] = {}
    conditions: dict[tuple[str, str, str], str] = {}
    paths = [path for name, path in found.items() if name.startswith("value/")]
    for document, version in parse_all(paths, Version):
        key = version.key
        if any(each.key == key or each.valid_from == version.valid_from for each in versions):
            raise document.error(("version",), "another file already has this version or valid_from")
        versions.append(version)
        conditions[key, "", "preliminary"] = _condition(document, ("preliminary",), version.preliminary, columns)
        for number, each in enumerate(version.dimensions):
            place = ("dimensions", number)
            if each.dated and each.dated not in columns:
                raise document.error((*place, "dated"), f"{INPUT} has no column {each.dated}")
            for position, part in enumerate(each.parts):
                values[key, each.id, position] = _value(document, (*place, "parts", position, "value"), part, columns)
            if each.applies:
                conditions[key, each.id, "applies"] = _condition(document, (*place, "applies"), each.applies, columns)
            if each.cap:
                conditions[key, each.id, "cap"] = _condition(document, (*place, "cap"), each.cap.when, columns)
    if not versions:
        raise ConfigError("sql/value/ has no definition", cure="restore sql/value/standard.yaml")
    return Definition(tuple(sorted(versions, key=lambda each: each.valid_from)), values, conditions)


def _value(document: Document, place: tuple[Any, ...], part: Part, columns: tuple[str, ...]) -> str:
    if part.points:
        return document.check(place, expression.number_of, part.value, columns)
    if part.value not in columns:
        raise document.error(place, f"{INPUT} has no column {part.value}")
    return f'"{part.value}"'


def _condition(document: Document, place: tuple[Any, ...], text: str, columns: tuple[str, ...]) -> str:
    return document.check(place, expression.literal_condition, text, columns)
