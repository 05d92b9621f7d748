"""Read the definitions of the health score from ``sql/health/*.yaml``, one file per version of a profile.

An account's profile on a day is the first, by ``rank``, whose condition holds. Of several versions of a profile, the
one with the latest ``valid_from`` up to the day applies. Days before all versions use the first one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from include.common.errors import ConfigError
from include.config import files, templates
from include.config.documents import Document, Strict, parse_all
from include.entities.catalog import ENTITIES
from include.models import health_features, registry

# The table whose columns expressions may name.
INPUT = "marts.health_input"
# The form of a value compared with peers. It must be the whole value.
_PEER = re.compile(r"\s*peer\((.+)\)\s*", re.DOTALL)
# The name of a measure's own value in its evidence.
VALUE = "value"
# Prefix of measures in meta.metric_gap, which lists those that no source provides.
GAP = "health."
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Group(Strict):
    """A group of measures.

    Args:
        max_weight: The largest weight of the group, of 100, once it has taken over the weight of missing measures.
        needed: Share of the group's weight that must be known. Below it, the band is unknown.
    """

    max_weight: Annotated[float, Field(gt=0, le=100)] = 100
    needed: Annotated[float, Field(ge=0, le=1)] = 0


class Bands(Strict):
    """Map a score to a colour, and decide when the colour changes.

    Args:
        edges: The lowest scores of yellow and of green.
        rise_by: The band rises after the score was this far above the edge for ``hold_days``.
        plunge_by: A score further than this below the edge lowers the band at once.
        hold_days: Number of consecutive days that a score must be beyond the edge.
    """

    edges: tuple[float, float]
    rise_by: Annotated[float, Field(ge=0, le=50)]
    plunge_by: Annotated[float, Field(ge=0, le=50)]
    hold_days: Annotated[int, Field(ge=1, le=14)]

    @model_validator(mode="after")
    def _check_edges(self) -> Bands:
        if not 0 < self.edges[0] < self.edges[1] < 100:
            raise ValueError("edges must be ascending and between 0 and 100")
        return self


class Measure(Strict):
    """A measure of the score.

    Args:
        id: Its name.
        title: Its title for people.
        group: Its group.
        weight: Its weight; 0 if it does not count.
        value: An expression over columns of ``marts.health_input``; null if unknown. ``peer(EXPRESSION)`` is its
            position among peers, from 0 to 100. ``feature_events('NAME')`` is the use of one key feature, and
            ``feature_ratio('NAME')`` compares it with the account's own baseline.
        points: Pairs of value and sub-score, by rising value. Linear between them, constant beyond.
        dated: The column with the day of the newest fact behind the value. Without it, the value counts as current.
        fresh_days: Up to this age the measure has its full weight.
        gone_days: From this age on it has no weight.
        needs: Entities. The measure is left out for all accounts if no source provides them.
        applies: A condition. The measure is left out for accounts where it does not hold.
        evidence: The text for people, a template over the columns and ``value``, the measure's own value (before
            ``peer``).
    """

    id: Name
    title: str
    group: Name
    weight: Annotated[float, Field(ge=0, le=100)]
    value: str
    points: Annotated[tuple[tuple[float, float], ...], Field(min_length=2)]
    dated: str = ""
    fresh_days: Annotated[int, Field(ge=0)]
    gone_days: Annotated[int, Field(ge=1)]
    needs: tuple[str, ...] = ()
    applies: str = ""
    evidence: str

    @model_validator(mode="after")
    def _check_points(self) -> Measure:
        values, scores = zip(*self.points, strict=True)
        if list(values) != sorted(set(values)):
            raise ValueError("the values of points must be ascending")
        if list(scores) not in (sorted(scores), sorted(scores, reverse=True)):
            raise ValueError("the scores of points must be all ascending or all descending")
        if min(scores) < 0 or max(scores) > 100:
            raise ValueError("the scores of points must be between 0 and 100")
        if self.gone_days <= self.fresh_days:
            raise ValueError("gone_days must be greater than fresh_days")
        return self


class Ceiling(Strict):
    """A fact that limits the score.

    Args:
        id: Its name.
        when: A condition over columns of ``marts.health_input``.
        at_most: The highest score while the condition holds.
        evidence: The text for people.
    """

    id: Name
    when: str
    at_most: Annotated[float, Field(ge=0, lt=100)]
    evidence: str


class Profile(Strict):
    """A version of a profile.

    Args:
        name: Its name.
        version: Counts from 1.
        valid_from: The first day it scores.
        rank: Profiles are tried by rank. An account gets the first whose condition holds.
        when: The condition; empty for all accounts.
        floor: Minimum coverage. Below it, the band is unknown.
    """

    name: Name
    version: Annotated[int, Field(ge=1)]
    valid_from: date
    rank: Annotated[int, Field(ge=0)]
    when: str = ""
    floor: Annotated[float, Field(ge=0, le=1)]
    bands: Bands
    groups: dict[Name, Group]
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
    ceilings: tuple[Ceiling, ...] = ()

    @model_validator(mode="after")
    def _check_ids(self) -> Profile:
        ids = [measure.id for measure in self.measures] + [ceiling.id for ceiling in self.ceilings]
        if twice := next((name for name in ids if ids.count(name) > 1), ""):
            raise ValueError(f"{twice} is defined twice")
        if stray := next((each for each in self.measures if each.group not in self.groups), None):
            raise ValueError(f"{stray.id} has the group {stray.group}, which is not listed under groups")
        return self

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def total_weight(self) -> float:
        return sum(measure.weight for measure in self.measures)


@dataclass(frozen=True)
class Definition:
    """All profiles in force, checked.

    Args:
        profiles: In the order in which they are tried; versions of a profile by ``valid_from``.
        values: (profile key, measure) -> SQL of its value. For a value against peers: SQL of the compared expression.
        peers: The (profile key, measure) pairs whose value is a position among peers.
        conditions: (profile key, "" or id of a measure or ceiling) -> SQL of its condition.
        features: Key feature whose use is measured -> the file that names it.
    """

    profiles: tuple[Profile, ...]
    values: Mapping[tuple[str, str], str]
    conditions: Mapping[tuple[str, str], str]
    peers: frozenset[tuple[str, str]] = frozenset()
    features: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Measure -> entities that any version of it needs."""
        found: dict[str, dict[str, None]] = {}
        for profile in self.profiles:
            for measure in profile.measures:
                found.setdefault(measure.id, {}).update(dict.fromkeys(measure.needs))
        return {name: tuple(entities) for name, entities in found.items()}

    def profile(self, key: str) -> Profile:
        """Return a profile by ``name@version``.

        Raises:
            ConfigError: It does not exist.
        """
        for profile in self.profiles:
            if profile.key == key:
                return profile
        raise ConfigError(
            f"unknown health profile {key}", cure="restore its file in sql/health/, or build the scores again"
        )


@files.cached_for("sql", *registry.FILES)
def load(found: dict[str, Path]) -> Definition:
    """Return the definitions in force.

    Raises:
        ConfigError: A file is wrong. The message names file and line.
    """
    columns = registry.selected(INPUT)
    examples = templates.examples(registry.types(INPUT), ("account_key", "day"))
    with_value = templates.examples({**registry.types(INPUT), VALUE: "double precision"}, ("account_key", "day", VALUE))
    features: dict[str, str] = {}
    profiles: list[Profile] = []
    values: dict[tuple[str, str], str] = {}
    conditions: dict[tuple[str, str], str] = {}
    peers: set[tuple[str, str]] = set()
    paths = [path for name, path in found.items() if name.startswith("health/")]
    for document, profile in parse_all(paths, Profile):
        if any(each.key == profile.key for each in profiles):
            raise document.error(("version",), f"{profile.name} already has a version {profile.version}")
        profiles.append(profile)
        if profile.when:
            conditions[profile.key, ""] = _condition(document, ("when",), profile.when, columns)
        for number, measure in enumerate(profile.measures):
            place = ("measures", number)
            _check_needs(document, (*place, "needs"), measure)
            if measure.dated and measure.dated not in columns:
                raise document.error((*place, "dated"), f"{INPUT} has no column {measure.dated}")
            compared = _PEER.fullmatch(measure.value)
            value = compared[1] if compared else measure.value
            values[profile.key, measure.id] = document.check((*place, "value"), health_features.number, value, columns)
            if compared:
                peers.add((profile.key, measure.id))
            document.check((*place, "evidence"), templates.check, measure.evidence, (*columns, VALUE), with_value)
            used = (profile.when, measure.value, measure.applies, *(ceiling.when for ceiling in profile.ceilings))
            for name in health_features.names(used):
                features.setdefault(name, files.shown(document.path))
            if measure.applies:
                conditions[profile.key, measure.id] = _condition(
                    document, (*place, "applies"), measure.applies, columns
                )
        for number, ceiling in enumerate(profile.ceilings):
            document.check(("ceilings", number, "evidence"), templates.check, ceiling.evidence, columns, examples)
            conditions[profile.key, ceiling.id] = _condition(
                document, ("ceilings", number, "when"), ceiling.when, columns
            )
    if not profiles:
        raise ConfigError("sql/health/ has no profile", cure="restore sql/health/standard.yaml")
    _check_versions(profiles)
    profiles.sort(key=lambda each: (each.rank, each.name, each.version))
    if profiles[-1].when:
        raise ConfigError(
            f"sql/health/: {profiles[-1].name} is the last profile and has a condition",
            cure="remove `when` from the profile with the highest rank: it applies to all other accounts",
        )
    return Definition(tuple(profiles), values, conditions, frozenset(peers), features)


def _check_versions(profiles: list[Profile]) -> None:
    by_name: dict[str, list[Profile]] = {}
    for profile in sorted(profiles, key=lambda each: each.version):
        by_name.setdefault(profile.name, []).append(profile)
    for name, versions in by_name.items():
        if [each.version for each in versions] != list(range(1, len(versions) + 1)):
            numbers = ", ".join(str(each.version) for each in versions)
            raise ConfigError(
                f"sql/health/: the versions of the profile {name} are not consecutive from 1: {numbers}",
                cure="keep the earlier versions in separate files: past days are scored with them",
            )
        if sorted(versions, key=lambda each: each.valid_from) != versions or len({e.rank for e in versions}) > 1:
            raise ConfigError(
                f"sql/health/: the versions of {name} need the same rank and ascending valid_from",
                cure="give all versions the same rank, and each a later valid_from than the previous one",
            )


def _condition(document: Document, place: tuple[Any, ...], text: str, columns: tuple[str, ...]) -> str:
    return document.check(place, health_features.condition, text, columns)


def _check_needs(document: Document, place: tuple[Any, ...], measure: Measure) -> None:
    if unknown := next((name for name in measure.needs if name not in ENTITIES), ""):
        raise document.error(place, f"unknown entity {unknown}")
