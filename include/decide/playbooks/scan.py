"""Scan the playbooks: find running ones with their version, and subjects that reached a trigger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import orjson
import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide import episodes
from include.decide.context import Day
from include.decide.episodes import Episode
from include.decide.playbooks import hold_outs
from include.decide.playbooks.load import revive
from include.decide.playbooks.schema import Playbook
from include.decide.rules.evaluate import evaluate
from include.decide.rules.load import Rule
from include.decide.rules.scan import Scanned, first_scans
from include.warehouse.engine import engine

SKIPPED_PREFIX = "left out: "


@dataclass(frozen=True)
class StepTask:
    """An outbox row of a running playbook.

    Args:
        planned_on: The day on which it was planned.
        task: The state of its task in the CRM; "" if it was not read back.
        task_on: The day on which the task was completed or deleted.
        new_due_on: The new due date, if somebody moved it.
        reassigned_to: The owner key of the new assignee; "" if it was not reassigned.
        outcome: The outcome that was entered.
    """

    key: str
    step: str
    state: str
    reason: str
    planned_on: date
    task: str
    task_on: date | None
    new_due_on: date | None
    reassigned_to: str
    outcome: str

    @property
    def is_skipped(self) -> bool:
        """Whether the step was skipped, because its condition was false when it began."""
        return self.reason.startswith(SKIPPED_PREFIX)

    @property
    def ended_on(self) -> date | None:
        """The day on which the step was completed, deleted or skipped; None before that."""
        return self.planned_on if self.is_skipped else self.task_on


@dataclass
class Scan:
    """The scan of all playbooks.

    Args:
        playbooks: Each playbook version, with its running subjects or those that reached its trigger.
        signals: Signal -> its open episodes, without silent ones.
        step_tasks: Playbook, kind and id of the subject -> step -> its outbox row.
        held_out: Playbook -> the accounts that get no tasks.
        problems: Playbook that could not be evaluated -> the reason, with its fix.
    """

    playbooks: list[Scanned[Playbook]] = field(default_factory=list)
    signals: Mapping[str, Sequence[Episode]] = field(default_factory=dict)
    step_tasks: Mapping[tuple[str, str, str], Mapping[str, StepTask]] = field(default_factory=dict)
    held_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def triggering_episodes(self, rule: Rule[Playbook]) -> dict[str, tuple[str, date]]:
        """Return subject -> the newest open episode of a playbook's signals, and its opening day."""
        opened = [episode for signal in sorted(rule.file.trigger.signals) for episode in self.signals.get(signal, ())]
        return {
            episode.entity_id: (f"{episode.signal} {episode.episode_no}", episode.opened_on)
            for episode in sorted(opened, key=lambda episode: episode.opened_on)
            if episode.entity_kind == rule.about
        }


def scan(connection: sa.Connection, day: Day, playbooks: Mapping[str, Rule[Playbook]]) -> Scan:
    """Evaluate all playbooks: those in force, and older versions that are still running."""
    contents = _started_contents(connection)
    names = [*playbooks, *sorted({name for name, _ in contents} - playbooks.keys())]
    live = [name for name, rule in playbooks.items() if rule.file.status == "live"]
    scanned_on, _ = first_scans(connection, live, day.today)
    last: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes.read(connection, names):
        last[episode.signal].append(episode)
    triggers = {signal for rule in playbooks.values() for signal in rule.file.trigger.signals}
    triggers |= {signal for content in contents.values() for signal in content["trigger"].get("signals", ())}
    notified: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes.read(connection, sorted(triggers)):
        if episode.state == "open" and episode.notified_as != "silent":
            notified[episode.signal].append(episode)
    hold_outs.assign(connection, playbooks.values(), day.today)
    found = Scan(
        signals=notified,
        step_tasks=_step_tasks(connection, names, day.settings.reporting_zone),
        held_out=hold_outs.held_out(connection, playbooks, day.today),
    )
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as tables:
        for name in names:
            try:
                for one in _scan_one(tables, day, name, playbooks.get(name), last[name], contents, found):
                    found.playbooks.append(replace(one, first_scan_on=scanned_on.get(name, day.today)))
            except ConfigError as error:
                found.problems[name] = str(error)
    return found


def note(connection: sa.Connection, rule: Rule[Playbook], today: date) -> None:
    """Store the content of a playbook when something starts with it, so that it continues with this version."""
    connection.execute(
        sa.text(
            "insert into ops.playbook_version (playbook, version, content, first_started_on)"
            " values (:playbook, :version, cast(:content as jsonb), :today) on conflict do nothing"
        ),
        {
            "playbook": rule.file.name,
            "version": rule.file.version,
            "content": orjson.dumps(rule.content).decode(),
            "today": today,
        },
    )


def _scan_one(
    tables: sa.Connection,
    day: Day,
    name: str,
    rule: Rule[Playbook] | None,
    last: Sequence[Episode],
    contents: Mapping[tuple[str, int], dict[str, Any]],
    found: Scan,
) -> Iterator[Scanned[Playbook]]:
    unfit = day.readiness.unfit
    running: dict[int, dict[str, Episode]] = defaultdict(dict)
    for episode in last:
        if episode.state == "open":
            running[int(episode.evidence.get("version") or 0)][episode.entity_id] = episode
    for version, subjects in running.items():
        content = contents.get((name, version))
        definition = revive(name, content) if content else rule
        if definition:
            # This version evaluates only its running subjects. It starts nothing new here.
            hits = evaluate(tables, day.as_of, replace(definition, is_chosen=True), list(subjects), unfit)
            yield Scanned(definition, hits, subjects)
    if rule is None or rule.file.status != "live":
        return
    kept = contents.get((name, rule.file.version))
    if kept and kept != orjson.loads(orjson.dumps(rule.content)):
        found.problems[name] = (
            f"playbook {name} was changed and is still version {rule.file.version}, so it does not start"
            f" | raise the version in {rule.path}"
        )
        return
    busy = {entity_id for subjects in running.values() for entity_id in subjects}
    hits = evaluate(tables, day.as_of, rule, list(found.triggering_episodes(rule)), unfit)
    before = {each.entity_id: each for each in last if each.entity_kind == rule.about and each.state == "closed"}
    yield Scanned(rule, [hit for hit in hits if hit.subject_id not in busy], before)


def _started_contents(connection: sa.Connection) -> dict[tuple[str, int], dict[str, Any]]:
    rows = connection.execute(sa.text("select playbook, version, content from ops.playbook_version"))
    return {(row.playbook, row.version): row.content for row in rows}


def _step_tasks(
    connection: sa.Connection, names: Sequence[str], zone: str
) -> dict[tuple[str, str, str], dict[str, StepTask]]:
    rows = connection.execute(
        sa.text(
            "select o.rule, o.entity_kind, o.entity_id, o.key, o.step, o.state, o.reason,"
            " cast(o.planned_at as date) as planned_on, coalesce(t.state, '') as task,"
            " case when t.state in ('done', 'deleted')"
            " then cast(coalesce(t.changed_at, t.read_at) at time zone :zone as date) end as task_on,"
            " case when t.due_on <> cast(o.body ->> 'due_on' as date) then t.due_on end as new_due_on,"
            " case when t.owner_id not in ('', o.address)"
            " then split_part(o.account_key, ':', 1) || ':' || t.owner_id else '' end as reassigned_to,"
            " coalesce(t.outcome, '') as outcome from ops.outbox as o join ops.episode as e"
            " on e.signal = o.rule and e.entity_kind = o.entity_kind and e.entity_id = o.entity_id"
            " and e.episode_no = o.episode_no left join ops.task as t on t.key = o.key"
            " where o.rule = any(:names) and e.state = 'open' order by t.changed_at nulls first, o.outbox_id"
        ),
        {"names": list(names), "zone": zone},
    )
    found: dict[tuple[str, str, str], dict[str, StepTask]] = defaultdict(dict)
    for rule, kind, entity_id, *rest in rows:
        task = StepTask(*rest)
        found[rule, kind, entity_id][task.step] = task
    return found
