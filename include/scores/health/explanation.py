"""Explain a health score to people, in their language: its parts, its confidence, and why it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import sqlalchemy as sa

from include import config
from include.common import clock, formatting, texts
from include.common.errors import ConfigError
from include.common.texts import gettext, ngettext
from include.models.health import Profile
from include.scores.health import confidence, family, readings, sentences
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
        points: Points that it adds; None if unknown.
        lost: Points missing to its full weight; None if unknown.
        fresh: Share of its weight left at its age.
    """

    measure: str
    points: Decimal | None
    lost: Decimal | None
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

    @property
    def reason(self) -> str:
        """The cause; of a ceiling, what set it."""
        return self.after if self.kind == "ceiling" and self.after else self.cause

    @property
    def kind_text(self) -> str:
        """The kind in words."""
        return sentences.kind(self.kind)


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
        return ngettext(
            "{before} on {since}, {after} on {day}: {change}. The {n} line adds up to it.",
            "{before} on {since}, {after} on {day}: {change}. The {n} lines add up to it.",
            len(self.lines),
            before=formatting.decimal(self.before, 2),
            since=formatting.day(self.since),
            after=formatting.decimal(self.after, 2),
            day=formatting.day(self.day),
            change=formatting.signed(self.after - self.before, 2),
        )


def of_day(
    account_key: str, day: date | None = None, *, known_at: datetime | None = None, with_children: bool = False
) -> Explanation:
    """Explain a score.

    Args:
        account_key: The account.
        day: The day; by default the newest day with a score.
        known_at: Explain the score as known then.
        with_children: Include the roll-up of child accounts. Leave it out for viewers who may not see them.

    Raises:
        ConfigError: The account has no score on that day.
    """
    _check_kept(known_at)
    with engine("reader").connect() as connection:
        day = day or _newest(connection, account_key, with_children=with_children)
        found = readings.read(connection, account_key, day, known_at=known_at)
        shown = connection.execute(_SHOWN, {"account_key": account_key, "day": day, "known_at": known_at}).one()
        belief = confidence.read(connection, found, day)
        children = family.read(connection, account_key, day) if with_children else None
    made = found.score
    parts = []
    for measure in found.profile.measures:
        part = made.parts[measure.id]
        is_there = part.weight * part.freshness > 0
        left_out = gettext("left out" if not part.weight else "not known" if part.sub_score is None else "too old")
        parts.append(
            Part(
                texts.from_file(measure.title),
                made.points[measure.id] if is_there else None,
                made.losses[measure.id] if is_there else None,
                f"{part.sub_score:.0f}" if is_there else "-",
                f"{part.weight:g}",
                formatting.percent(part.freshness) if is_there else "-",
                sentences.evidence(found, measure) if is_there else left_out,
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
            *sentences.of_score(found, shown.band, shown.band_since, shown.last_band, shown.unknown_reason),
            *(belief.sentences if belief else ()),
        ),
        belief,
        children,
    )


def of_change(account_key: str, since: date, day: date | None = None, *, known_at: datetime | None = None) -> Change:
    """Explain why a score changed.

    Args:
        account_key: The account.
        since: The earlier day.
        day: The later day; by default the newest day with a score.
        known_at: Start from the score as known then. What was learned of the earlier day since then is one line.

    Raises:
        ConfigError: The account has no score on one of the days.
    """
    _check_kept(known_at)
    with engine("reader").connect() as connection:
        day = day or _newest(connection, account_key)
        if known_at is None:
            return between(connection, account_key, since, day)
        then = readings.read(connection, account_key, since, known_at=known_at)
        merged = connection.execute(_MERGED, {"account_key": account_key, "known_at": known_at}).scalar()
        earlier: dict[str, tuple[Day, Kind]] = {account_key: (then, "merge" if merged else "restated")}
        found = of_changes(connection, [account_key], since, day, earlier)
    if account_key not in found:
        raise _no_score(account_key)
    return found[account_key]


def between(connection: sa.Connection, account_key: str, since: date, day: date) -> Change:
    """Explain why a score changed between two days, on an open connection. See ``of_change``."""
    found = of_changes(connection, [account_key], since, day).get(account_key)
    if found is None:
        for each in (since, day):
            readings.read(connection, account_key, each)  # says which day has no score
        raise _no_score(account_key)
    return found


def _check_kept(known_at: datetime | None) -> None:
    days = config.load().retention.score_inputs
    if known_at and known_at < clock.now() - timedelta(days=days):
        raise ConfigError(
            f"what was known at {known_at:%Y-%m-%d} is no longer kept: former inputs are deleted after {days} days",
            cure="choose a later time; score_inputs in retention.yaml sets the number of days",
        )


def _no_score(account_key: str) -> ConfigError:
    return ConfigError(f"{account_key} has no computed score on one of the days", cure="choose another day")


def of_changes(
    connection: sa.Connection,
    account_keys: Sequence[str],
    since: date,
    day: date,
    then: Mapping[str, tuple[Day, Kind]] = MappingProxyType({}),
) -> dict[str, Change]:
    """Explain why several scores changed, with a few queries for all of them.

    Args:
        then: Account -> its earlier day as it was known at the time, and why it is known differently now.

    Returns:
        Account -> its change; accounts without a score on one of the days are left out.
    """
    after = readings.of_accounts(connection, account_keys, day)
    before = readings.of_accounts(connection, list(after), since)
    redefined = {key: (after[key].profile, None) for key, one in before.items() if one.profile != after[key].profile}
    restarted = _again(connection, since, redefined)
    regrouped = {
        key: (after[key].profile, after[key].peers_of)
        for key, one in before.items()
        if after[key].peers_of and restarted.get(key, one).peers_of != after[key].peers_of
    }
    moved = _again(connection, since, regrouped)
    changes = (
        _change(key, since, day, one, after[key], restarted.get(key), moved.get(key), then.get(key))
        for key, one in before.items()
    )
    return {change.account: change for change in changes if change}


def _again(connection: sa.Connection, since: date, wanted: Mapping[str, tuple[Profile, date | None]]) -> dict[str, Day]:
    """Read accounts' earlier day under other definitions: account -> profile, month end of the peers."""
    groups: dict[tuple[str, date | None], list[str]] = {}
    for key, (profile, at) in wanted.items():
        groups.setdefault((profile.key, at), []).append(key)
    found: dict[str, Day] = {}
    for (_, at), keys in groups.items():
        found |= readings.of_accounts(connection, keys, since, wanted[keys[0]][0], at)
    return found


def _change(
    account_key: str,
    since: date,
    day: date,
    before: Day,
    after: Day,
    restarted: Day | None,
    moved: Day | None,
    then: tuple[Day, Kind] | None,
) -> Change | None:
    """Return a change; None if one of the days has no score.

    Args:
        restarted: The earlier day under the later definition, if they differ.
        moved: The earlier day also with the later month's peers, if they differ.
        then: The earlier day as it was known at the time, and why it is known differently now.
    """
    start = restarted or before
    steps: list[tuple[Kind, Score]] = []
    if then:
        steps.append((then[1], before.score))
        before = then[0]
    one, two = before.score, after.score
    if restarted:
        steps.append(("definition", restarted.score))
    if moved:
        steps.append(("peers", moved.score))
    if any(score.number is None for score in (one, two, *(score for _, score in steps))):
        return None
    assert one.shown is not None and two.shown is not None
    titles = {measure.id: measure for measure in after.profile.measures}
    lines = []
    for line in explain(one, two, steps):
        measure, cause = titles.get(line.id), sentences.kind(line.id)
        both = ("", "")
        if measure:
            cause = texts.from_file(measure.title)
            both = (sentences.evidence(before, measure), sentences.evidence(after, measure))
        elif line.id == "ceiling":
            both = (sentences.ceilings(before), sentences.ceilings(after))
        elif line.id == "definition":
            both = (before.profile.key, after.profile.key)
        elif line.id == "peers":
            assert start.peers_of and after.peers_of
            months = formatting.month(start.peers_of), formatting.month(after.peers_of)
            cause = gettext("peers of {month} -> {other}", month=months[0], other=months[1])
        lines.append(Line(cause, line.kind, line.change, *both))
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


_MERGED = sa.text(
    "select exists (select from meta.account_merge_history where source || ':' || survivor_id = :account_key"
    " and known_from > :known_at)"
)
_LAST_DAY = sa.text("select max(day) from marts.health_score")
_NEWEST = sa.text("select max(day) from marts.health_score where account_key = :account_key")
_SHOWN = sa.text(
    "select s.band, s.band_since, s.last_band, s.unknown_reason from ("
    "   select known_to, band, band_since, band as last_band, '' as unknown_reason from meta.former_health_input"
    "   where account_key = :account_key and day = :day and known_to > cast(:known_at as timestamptz)"
    "   union all"
    "   select 'infinity', band, band_since, last_band, unknown_reason from marts.account_health"
    "   where account_key = :account_key and day = :day"
    " ) as s order by known_to limit 1"
)
