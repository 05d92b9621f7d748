"""Every playbook and touch with the effect that its hold-out shows, or with what a hold-out could show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide.playbooks.load import load as load_playbooks
from include.decide.playbooks.schema import Playbook, Tested
from include.decide.rules.load import Rule
from include.decide.signals.load import load as load_signals
from include.decide.touches.load import load as load_touches
from include.experiments import plan, store
from include.experiments.plan import Plan
from include.experiments.reading import Last, Reading
from include.warehouse.engine import engine, has_table


@dataclass(frozen=True)
class Entry:
    """One playbook or touch.

    Args:
        reading: The read-out of its hold-out; None if it has none yet.
        plan: What a hold-out could show; None if it has a read-out, for touches, or before the first build.
        last: The last stored reading, if the hold-out has ended (``hold_out: 0``).
    """

    rule: Tested
    reading: Reading | None = None
    plan: Plan | None = None
    last: Last | None = None


def read(
    connection: sa.Connection, rules: Mapping[str, Rule[Any]] | None = None, hold_out: float = 0,
    effect: float = 0, is_plan: bool = False,
) -> dict[str, Entry]:  # fmt: skip
    """Return playbooks and touches by name.

    Args:
        rules: Only these; by default the playbooks in force.
        hold_out: Plan with this share instead of the file's.
        effect: Plan for this effect instead of the file's.
        is_plan: Plan also where there is a read-out.
    """
    rules = load_playbooks() if rules is None else rules
    signals = load_signals()
    designs = {name: rule.file.design for name, rule in rules.items() if rule.file.hold_out}
    readings, last = store.read(connection, designs), store.last(connection)
    day = None
    if has_table(connection, "marts.account_day"):
        day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
    found = {}
    for name, rule in rules.items():
        reading, planned = readings.get(name), None
        if day is not None and isinstance(rule.file, Playbook) and (reading is None or is_plan):
            history = plan.past(connection, rule.file, signals, day)
            planned = plan.of(rule.file, history, day, hold_out, effect)
        found[name] = Entry(rule.file, reading, planned, None if name in designs else last.get(name))
    return found


def keep() -> dict[str, tuple[Entry, Reading, str | None]]:
    """Store the read-out of each experiment under its day.

    Returns:
        Name -> its entry, its reading, and the verdict of the reading before; None for the first.
    """
    with engine("reader").connect() as connection:
        found = read(connection, of(""))
    kept = {}
    for name, entry in found.items():
        if entry.reading:
            with engine("builder").begin() as connection:
                kept[name] = (entry, entry.reading, store.keep(connection, entry.reading))
    return kept


def of(name: str) -> dict[str, Rule[Any]]:
    """Return one playbook or touch by name; for "", all playbooks and the touches with a hold-out.

    Raises:
        ConfigError: There is no such playbook or touch.
    """
    touches = {one: rule for one, rule in load_touches().items() if rule.file.hold_out or one == name}
    known: dict[str, Rule[Any]] = {**load_playbooks(), **touches}
    if not name:
        return known
    if name not in known:
        raise ConfigError(f"unknown playbook or touch {name}", cure=f"known: {', '.join(known)}")
    return {name: known[name]}
