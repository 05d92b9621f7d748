"""Evaluates every signal in force: what holds, what is open, who was notified; and notes the first scan of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide import episodes
from include.decide.context import Day
from include.decide.signals.evaluate import evaluate
from include.decide.signals.events import Evaluated, Notified
from include.decide.signals.load import Loaded
from include.decide.signals.plan import ALERTED, DIGEST
from include.entities.catalog import ENTITIES
from include.gate import availability
from include.warehouse.engine import engine


@dataclass
class Seen:
    """What a scan found.

    Args:
        evaluated: Each signal that could be evaluated.
        notified: Who was notified already.
        unavailable: Signal -> what it needs.
        problems: Signal that could not be evaluated -> why, with its cure.
    """

    evaluated: list[Evaluated] = field(default_factory=list)
    notified: Notified = field(default_factory=Notified)
    unavailable: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def scan(connection: sa.Connection, day: Day, signals: Mapping[str, Loaded]) -> Seen:
    """Evaluate all signals over the newest built day.

    Args:
        connection: Of the builder role, within the decision's transaction.
        day: The day.
        signals: The signals in force.
    """
    seen = Seen(notified=_notified(connection, day), unavailable=unavailable(signals))
    known = set(connection.execute(sa.text("select signal from ops.signal")).scalars())
    found = {
        about: episodes.latest(connection, list(signals), about)
        for about in {loaded.signal.about for loaded in signals.values()}
    }
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as tables:
        for name, loaded in signals.items():
            if name in seen.unavailable:
                continue
            mine = {
                entity_id: episode
                for (signal, entity_id), episode in found[loaded.signal.about].items()
                if signal == name
            }
            open_ids = [entity_id for entity_id, episode in mine.items() if episode.state == "open"]
            try:
                hits = evaluate(tables, day.as_of, loaded, open_ids)
            except ConfigError as error:
                seen.problems[name] = str(error)
                continue
            seen.evaluated.append(Evaluated(loaded, hits, mine, name not in known))
    return seen


def note(connection: sa.Connection, seen: Seen, today: date) -> None:
    """Note that these signals have been evaluated: from now on what opens is notified."""
    fresh = [
        {"signal": evaluated.loaded.signal.name, "today": today} for evaluated in seen.evaluated if evaluated.is_first
    ]
    if fresh:
        connection.execute(
            sa.text("insert into ops.signal (signal, first_scan_on) values (:signal, :today) on conflict do nothing"),
            fresh,
        )


def unavailable(signals: Mapping[str, Loaded]) -> dict[str, str]:
    """Return the signals that rest on an entity which no source gives, and what they need."""
    given = {kind: availability.available(kind) for kind in ("crm", "support", "product")}
    found = {}
    for name, loaded in signals.items():
        missing = [entity for entity in loaded.signal.needs if entity not in given[ENTITIES[entity].kind]]
        if missing:
            found[name] = f"not available: needs {', '.join(missing)}"
    return found


def _notified(connection: sa.Connection, day: Day) -> Notified:
    alerts = connection.execute(
        sa.text(
            "select recipient, count(distinct (entity_kind, entity_id, rule, episode_no, step)) from ops.outbox"
            " where entity_kind = any(:kinds) and channel = any(:channels)"
            " and planned_at >= :since group by recipient"
        ),
        {"kinds": list(ALERTED), "channels": list(day.settings.channels.messages_by), "since": day.start_of(day.today)},
    )
    digests = connection.execute(
        sa.text("select key, state from ops.outbox where rule = :rule and step = :step"),
        {"rule": DIGEST, "step": day.today.isoformat()},
    )
    return Notified(dict(alerts.tuples().all()), dict(digests.tuples().all()))
