"""Evaluate every signal in force, and list the signals whose entities no source provides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide import episodes
from include.decide.context import Day
from include.decide.rules.evaluate import evaluate
from include.decide.rules.load import Rule
from include.decide.rules.scan import Scanned, first_scans
from include.decide.signals.schema import Signal
from include.entities.catalog import ENTITIES
from include.gate import availability
from include.warehouse.engine import engine


@dataclass
class Scan:
    """The scan of all signals.

    Args:
        unavailable: Signal -> the entities that it needs and no source provides.
        problems: Signal that could not be evaluated -> the reason, with its fix.
    """

    signals: list[Scanned[Signal]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def scan(connection: sa.Connection, day: Day, signals: Mapping[str, Rule[Signal]]) -> Scan:
    """Evaluate all signals for the newest built day."""
    found = Scan(unavailable=unavailable(signals))
    last: dict[str, dict[str, episodes.Episode]] = {name: {} for name in signals}
    for episode in episodes.read(connection, list(signals)):
        if episode.entity_kind == signals[episode.signal].about:
            last[episode.signal][episode.entity_id] = episode
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as tables:
        for name, rule in signals.items():
            if name in found.unavailable:
                continue
            by_subject = last[name]
            try:
                hits = evaluate(
                    tables, day.as_of, rule, [key for key, each in by_subject.items() if each.state == "open"]
                )
            except ConfigError as error:
                found.problems[name] = str(error)
                continue
            found.signals.append(Scanned(rule, hits, by_subject))
    _, fresh = first_scans(connection, [one.rule.file.name for one in found.signals], day.today)
    found.signals = [replace(one, is_first=one.rule.file.name in fresh) for one in found.signals]
    return found


def close_disabled(connection: sa.Connection, known: Collection[str]) -> list[episodes.Change]:
    """Return changes that close the open episodes of signals whose file is missing or disabled.

    Args:
        known: The signals and playbooks in force.
    """
    disabled = [name for name in connection.execute(_WITH_OPEN).scalars() if name not in known]
    return [
        episode.change("close", {}, reason="the signal was disabled")
        for episode in (episodes.read(connection, disabled) if disabled else [])
        if episode.state == "open" and not episode.arm
    ]


def unavailable(signals: Mapping[str, Rule[Signal]]) -> dict[str, str]:
    """Return the signals that need an entity which no source provides, with the missing entities."""
    available_entities = {kind: availability.available(kind) for kind in ("crm", "support", "product")}
    found = {}
    for name, rule in signals.items():
        missing = [entity for entity in rule.file.needs if entity not in available_entities[ENTITIES[entity].kind]]
        if missing:
            found[name] = f"not available: needs {', '.join(missing)}"
    return found


# Only episodes of playbooks have an arm.
_WITH_OPEN = sa.text(
    "select distinct signal from ops.episode where state = 'open' and arm = ''"
    " and entity_kind in ('account', 'contact', 'former') order by signal"
)
