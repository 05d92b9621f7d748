"""Explain a health score to people: its parts, its confidence, and why it changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.config import templates
from include.models import health
from include.models.health import Measure
from include.scores.health import confidence, family, readings
from include.scores.health.change import Kind, explain
from include.scores.health.confidence import Confidence
from include.scores.health.family import Children
from include.scores.health.readings import Day
from include.scores.health.score import Score
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Part:
    """One measure of a score.

    Args:
        points: Points that it adds; "-" if unknown.
        lost: Points missing to its full weight.
        fresh: Share of its weight left at its age.
    """

    measure: str
    points: str
    lost: str
    sub_score: str
    weight: str
    fresh: str
    evidence: str


@dataclass(frozen=True)
class Explanation:
    """The score of an account on a day.

    Args:
        shown: The override if there is one, else the computed score.
        computed: The score after ceilings.
        score: The weighted mean before ceilings; the points of ``parts`` add up to it.
        confidence: The confidence in the score; None without a score.
        children: Roll-up of the child accounts; None if there are none or they were not requested.
    """

    account: str
    day: date
    profile: str
    shown: Decimal | None
    computed: Decimal | None
    score: Decimal | None
    band: str
    band_since: date | None
    coverage: float
    parts: tuple[Part, ...]
    sentences: tuple[str, ...]
    confidence: Confidence | None
    children: Children | None


@dataclass(frozen=True)
class Line:
    """One cause of a change. The changes of all lines add up to the total change."""

    cause: str
    kind: str
    change: Decimal
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """Why a score changed between two days."""

    account: str
    since: date
    day: date
    before: Decimal
    after: Decimal
    lines: tuple[Line, ...]

    @property
    def sentence(self) -> str:
        return (
            f"{self.before} on {self.since}, {self.after} on {self.day}: {self.after - self.before:+}."
            f" The {len(self.lines)} lines add up to it."
        )


def of_day(account_key: str, day: date | None = None, *, with_children: bool = False) -> Explanation:
    """Explain a score.

    Args:
        account_key: The account.
        day: The day; by default the newest day with a score.
        with_children: Include the roll-up of child accounts. Leave it out for viewers who may not see them.

    Raises:
        ConfigError: The account has no score on that day.
    """
    with engine("reader").connect() as connection:
        day = day or _newest(connection, account_key, with_children=with_children)
        found = readings.read(connection, account_key, day)
        shown = connection.execute(_SHOWN, {"account_key": account_key, "day": day}).one()
        belief = confidence.read(connection, found, day)
        children = family.read(connection, account_key, day) if with_children else None
    made = found.score
    parts = []
    for measure in found.profile.measures:
        part = made.parts[measure.id]
        is_there = part.weight * part.freshness > 0
        left_out = "left out" if not part.weight else "not known" if part.sub_score is None else "too old"
        parts.append(
            Part(
                measure.title,
                f"{made.points[measure.id]:.2f}" if is_there else "-",
                f"{made.losses[measure.id]:.2f}" if is_there else "-",
                f"{part.sub_score:.0f}" if is_there else "-",
                f"{part.weight:g}",
                f"{part.freshness:.0%}" if is_there else "-",
                _evidence(found, measure) if is_there else left_out,
            )
        )
    return Explanation(
        account_key,
        day,
        found.profile.key,
        made.shown,
        made.computed,
        made.number,
        shown.band,
        shown.band_since,
        made.coverage,
        tuple(parts),
        (
            *_sentences(found, shown.band, shown.band_since, shown.last_band, shown.unknown_reason),
            *(belief.sentences if belief else ()),
        ),
        belief,
        children,
    )


def of_change(account_key: str, since: date, day: date | None = None) -> Change:
    """Explain why a score changed.

    Args:
        account_key: The account.
        since: The earlier day.
        day: The later day; by default the newest day with a score.

    Raises:
        ConfigError: The account has no score on one of the days.
    """
    with engine("reader").connect() as connection:
        return between(connection, account_key, since, day or _newest(connection, account_key))


def between(connection: sa.Connection, account_key: str, since: date, day: date) -> Change:
    """Explain why a score changed between two days, on an open connection. See ``of_change``."""
    before, after = (readings.read(connection, account_key, each) for each in (since, day))
    steps: list[tuple[Kind, Score]] = []
    start = before
    if start.profile != after.profile:
        start = readings.read(connection, account_key, since, after.profile)
        steps.append(("definition", start.score))
    if after.peers_of and start.peers_of != after.peers_of:
        steps.append(("peers", readings.read(connection, account_key, since, after.profile, after.peers_of).score))
    one, two = before.score, after.score
    if one.shown is None or two.shown is None:
        unknown = since if one.shown is None else day
        raise ConfigError(f"{account_key} has no score on {unknown}", cure="choose another day")
    titles = {measure.id: measure for measure in after.profile.measures}
    lines = []
    if one.number is None or two.number is None or any(score.number is None for _, score in steps):
        raise ConfigError(f"{account_key} has no computed score on one of the days", cure="choose another day")
    for line in explain(one, two, steps):
        measure, cause = titles.get(line.id), line.id
        texts = ("", "")
        if measure:
            texts = (_evidence(before, measure), _evidence(after, measure))
        elif line.id == "ceiling":
            texts = (_ceilings(before), _ceilings(after))
        elif line.id == "definition":
            texts = (before.profile.key, after.profile.key)
        elif line.id == "peers":
            cause = f"peers of {start.peers_of:%B} -> {after.peers_of:%B}"
        lines.append(Line(measure.title if measure else cause, line.kind, line.change, *texts))
    return Change(account_key, since, day, one.shown, two.shown, tuple(lines))


def _newest(connection: sa.Connection, account_key: str, *, with_children: bool = False) -> date:
    found = connection.execute(_NEWEST, {"account_key": account_key}).scalar()
    if found is None:
        newest = connection.execute(_LAST_DAY).scalar() if with_children else None
        children = family.read(connection, account_key, newest) if newest else None
        raise ConfigError(
            f"{account_key} has no health score" + (f" of its own. {children.sentence}" if children else ""),
            cure="customers are scored from their 14th day; trials, excluded and former customers are not",
        )
    return found


def _evidence(found: Day, measure: Measure) -> str:
    reading = found.readings.get(measure.id)
    if reading is None or reading.value is None:
        return "not known"
    evidence = templates.line(measure.evidence, found.values)
    if found.peers_of is None or (found.profile.key, measure.id) not in health.load().peers:
        return evidence
    return f"{evidence}; {reading.value:.0f} of 100 among its peers of {found.peers_of:%B %Y}"


def _ceilings(found: Day) -> str:
    active = [each for each in found.profile.ceilings if each.id in found.ceilings]
    return "; ".join(templates.line(each.evidence, found.values) for each in active)


def _sentences(found: Day, band: str, since: date | None, last: str | None, unknown_reason: str) -> list[str]:
    made = found.score
    lines = [
        f"Health {'-' if made.shown is None else made.shown}, {band}"
        + (f" since {since}" if since and band == last else "")
        + "."
    ]
    if made.override is not None:
        lines.append(f"A lead set the score to {made.override}; the computed score is {made.computed}.")
    if found.override_band:
        lines.append(f"A lead set the band; the computed band is {'unknown' if unknown_reason else last or 'unknown'}.")
    if unknown_reason:
        lines.append(f"The band is unknown: {unknown_reason}." + (f" The last known band is {last}." if last else ""))
    if made.number is not None:
        ceiling = (
            f" A ceiling limits it to {made.computed}: {_ceilings(found)}." if made.computed != made.number else ""
        )
        lines.append(f"The points add up to {made.number}; points and lost points together are 100.{ceiling}")
    unknown = [part.measure.title for part in made.parts.values() if part.weight and not part.freshness]
    left_out = found.profile.total_weight - sum(part.weight for part in made.parts.values())
    coverage = f"Data covers {made.coverage:.0%} of the weight"
    lines.append(coverage + (f"; missing: {', '.join(unknown)}." if unknown else "."))
    if left_out:
        weight = f"{left_out:g} of {found.profile.total_weight:g}"
        lines.append(f"Measures with a weight of {weight} do not apply to this account or have no source.")
    return lines


_LAST_DAY = sa.text("select max(day) from marts.health_score")
_NEWEST = sa.text("select max(day) from marts.health_score where account_key = :account_key")
_SHOWN = sa.text(
    "select band, band_since, last_band, unknown_reason from marts.account_health"
    " where account_key = :account_key and day = :day"
)
