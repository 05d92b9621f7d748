"""What a decision looks at of the playbooks: what runs and with which version, what has reached a trigger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import orjson
import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide import episodes
from include.decide.context import Day
from include.decide.episodes import Episode
from include.decide.playbooks.evaluate import Answer, evaluate
from include.decide.playbooks.load import Loaded, revive
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.risk import Risk, Risks
from include.warehouse.engine import engine

LEFT_OUT = "left out: "


@dataclass(frozen=True)
class Given:
    """A row of the outbox that a running playbook has made.

    Args:
        key: Its key.
        step: The step.
        state: Its state.
        because: Why it is in it.
        planned_on: The day on which it was planned.
        task: What people have made of its task; "" where that was not read back.
        task_on: The day of that, of a task that is done or deleted.
        moved_to: The day to which somebody moved it; None while it stands where it was.
        given_to: Owner key of whoever was given it; "" while it is whose it was.
        outcome: What was written down as its outcome.
    """

    key: str
    step: str
    state: str
    because: str
    planned_on: date
    task: str
    task_on: date | None
    moved_to: date | None
    given_to: str
    outcome: str

    @property
    def is_left_out(self) -> bool:
        """Whether the step's condition was false when it began."""
        return self.because.startswith(LEFT_OUT)

    @property
    def ended_on(self) -> date | None:
        """The day on which the step was completed, thrown away or left out; None while it was not."""
        return self.planned_on if self.is_left_out else self.task_on


@dataclass(frozen=True)
class Running:
    """A playbook that runs for one thing.

    Args:
        loaded: As it was when it began there.
        episode: Its episode.
        answer: What its conditions say; None when the thing is not listed any more.
        given: Step -> what was made of it.
        risk: Of its account, where it is about a renewal.
        is_signal_open: Whether a signal or risk that it rests on still holds; true for a rung alone.
    """

    loaded: Loaded
    episode: Episode
    answer: Answer | None
    given: Mapping[str, Given]
    risk: Risk | None
    is_signal_open: bool


@dataclass(frozen=True)
class Reached:
    """A thing for which a playbook's rung or signal, and its condition, hold and that it does not run for.

    Args:
        answer: What is known of it.
        cause: What started it: the rung, or the episode of a signal.
        since: The day on which that was reached, and a risk was open where the trigger asks for one.
        last: The playbook's last episode with it; None for none.
        risk: Of its account, where it is about a renewal.
    """

    answer: Answer
    cause: str
    since: date
    last: Episode | None
    risk: Risk | None = None


@dataclass
class Evaluated:
    """One playbook: what runs, and what has reached its trigger.

    Args:
        name: Its name.
        loaded: The file in force; None when there is none any more.
        running: Thing -> what runs.
        reached: Thing -> what might start; empty without a file in force.
        first_scan_on: The day on which the playbook was first evaluated.
    """

    name: str
    loaded: Loaded | None
    running: dict[str, Running] = field(default_factory=dict)
    reached: dict[str, Reached] = field(default_factory=dict)
    first_scan_on: date = date.min


@dataclass
class Seen:
    """All of them; and each that could not be evaluated -> why, with its cure."""

    evaluated: list[Evaluated] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def scan(connection: sa.Connection, day: Day, playbooks: Mapping[str, Loaded], risks: Risks) -> Seen:
    """Look at all playbooks, those in force and those that run.

    Args:
        connection: Of the builder role, within the decision's transaction; the signals' changes are in it.
        day: The day.
        playbooks: Those in force.
        risks: Of all accounts.
    """
    began = _began_with(connection)
    names = [*playbooks, *sorted({name for name, _ in began} - playbooks.keys())]
    scanned = _first_scans(connection, playbooks, day.today)
    seen = Seen()
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as tables:
        for name in names:
            evaluated = Evaluated(name, playbooks.get(name), first_scan_on=scanned.get(name, day.today))
            try:
                _scan_one(connection, tables, day, evaluated, began, risks, seen.problems)
            except ConfigError as error:
                seen.problems[name] = str(error)
            seen.evaluated.append(evaluated)
    return seen


def note(connection: sa.Connection, loaded: Loaded, today: date) -> None:
    """Keep a playbook as something begins with it: what runs goes on with that."""
    connection.execute(
        sa.text(
            "insert into ops.playbook_version (playbook, version, content, first_started_on)"
            " values (:playbook, :version, cast(:content as jsonb), :today) on conflict do nothing"
        ),
        {
            "playbook": loaded.playbook.name,
            "version": loaded.playbook.version,
            "content": orjson.dumps(loaded.content).decode(),
            "today": today,
        },
    )


def _scan_one(
    connection: sa.Connection,
    tables: sa.Connection,
    day: Day,
    evaluated: Evaluated,
    began: Mapping[tuple[str, int], dict[str, object]],
    risks: Risks,
    problems: dict[str, str],
) -> None:
    loaded, unfit = evaluated.loaded, day.readiness.unfit()
    mine = {
        (kind, entity_id): episode
        for kind in ("renewal", "account", "contact", "former")
        for (_, entity_id), episode in episodes.latest(connection, [evaluated.name], kind).items()
    }
    by_version: dict[int, list[Episode]] = defaultdict(list)
    for episode in mine.values():
        if episode.state == "open":
            by_version[int(episode.evidence.get("version") or 0)].append(episode)
    given = _given(connection, evaluated.name, day.settings.reporting_zone)
    for version, running in by_version.items():
        content = began.get((evaluated.name, version))
        definition = revive(evaluated.name, content) if content else loaded
        if definition is None:
            continue
        holds = _open_signals(connection, definition)
        ids = [episode.entity_id for episode in running]
        answers = evaluate(tables, day.as_of, definition, unfit, ids)
        for episode in running:
            answer = answers.get(episode.entity_id)
            risk = _risk(definition, answer, risks)
            evaluated.running[episode.entity_id] = Running(
                definition,
                episode,
                answer,
                given.get((episode.entity_kind, episode.entity_id), {}),
                risk,
                _is_held_open(definition, risk) if definition.about == "renewal" else episode.entity_id in holds,
            )
    if loaded is None or loaded.playbook.status != "live":
        return
    kept = began.get((evaluated.name, loaded.playbook.version))
    if kept and kept != orjson.loads(orjson.dumps(loaded.content)):
        problems[evaluated.name] = (
            f"playbook {evaluated.name} was changed and is still version {loaded.playbook.version}: it starts nothing"
            f" | raise the version in {loaded.path}"
        )
        return
    holds = _open_signals(connection, loaded)
    for entity_id, answer in evaluate(tables, day.as_of, loaded, unfit, list(holds)).items():
        if not answer.starts or entity_id in evaluated.running:
            continue
        cause, since = holds.get(entity_id) or _rung(loaded, answer)
        risk = _risk(loaded, answer, risks)
        if loaded.playbook.trigger.at_risk and risk and risk.open:
            since = max(since, min(one.since for one in risk.open))
        evaluated.reached[entity_id] = Reached(answer, cause, since, mine.get((loaded.about, entity_id)), risk)


def _risk(loaded: Loaded, answer: Answer | None, risks: Risks) -> Risk | None:
    return risks.of_renewal(Checkpoint(**answer.values)) if answer and loaded.about == "renewal" else None


def _is_held_open(loaded: Loaded, risk: Risk | None) -> bool:
    """Return whether what a renewal's playbook rests on still holds; while something is unknown, it does."""
    return not loaded.playbook.trigger.at_risk or risk is None or risk.band != "none"


def _rung(loaded: Loaded, answer: Answer) -> tuple[str, date]:
    days = loaded.playbook.trigger.rung or 0
    return f"rung {days}", date.fromordinal(answer.values["decision_date"].toordinal() - days)


def _open_signals(connection: sa.Connection, loaded: Loaded) -> dict[str, tuple[str, date]]:
    """Return thing -> the episode of a signal that is open for it and was told, and since when."""
    signals = loaded.playbook.trigger.signals
    found = episodes.latest(connection, list(signals), loaded.about) if signals else {}
    return {
        entity_id: (f"{signal} {episode.episode_no}", episode.opened_on)
        for (signal, entity_id), episode in sorted(found.items(), key=lambda item: item[1].opened_on)
        if episode.state == "open" and episode.told_as != "silent"
    }


def _began_with(connection: sa.Connection) -> dict[tuple[str, int], dict[str, object]]:
    rows = connection.execute(sa.text("select playbook, version, content from ops.playbook_version"))
    return {(row.playbook, row.version): row.content for row in rows}


def _given(connection: sa.Connection, name: str, zone: str) -> dict[tuple[str, str], dict[str, Given]]:
    rows = connection.execute(
        sa.text(
            "select o.entity_kind, o.entity_id, o.key, o.step, o.state, o.because,"
            " cast(o.planned_at as date) as planned_on, coalesce(t.state, '') as task,"
            " case when t.state in ('done', 'deleted')"
            " then cast(coalesce(t.changed_at, t.read_at) at time zone :zone as date) end as task_on,"
            " case when t.due_on <> cast(o.body ->> 'due_on' as date) then t.due_on end as moved_to,"
            " case when t.owner_id not in ('', o.address)"
            " then split_part(o.account_key, ':', 1) || ':' || t.owner_id else '' end as given_to,"
            " coalesce(t.outcome, '') as outcome from ops.outbox as o join ops.episode as e"
            " on e.signal = o.rule and e.entity_kind = o.entity_kind and e.entity_id = o.entity_id"
            " and e.episode_no = o.episode_no left join ops.task as t on t.key = o.key"
            " where o.rule = :name and e.state = 'open' order by t.changed_at nulls first, o.outbox_id"
        ),
        {"name": name, "zone": zone},
    )
    found: dict[tuple[str, str], dict[str, Given]] = defaultdict(dict)
    for kind, entity_id, *rest in rows:
        given = Given(*rest)
        found[kind, entity_id][given.step] = given
    return found


def _first_scans(connection: sa.Connection, playbooks: Mapping[str, Loaded], today: date) -> dict[str, date]:
    """Return since when each live playbook is evaluated, and note those that were not before."""
    fresh = [{"signal": name, "today": today} for name, loaded in playbooks.items() if loaded.playbook.status == "live"]
    if fresh:
        connection.execute(
            sa.text("insert into ops.signal (signal, first_scan_on) values (:signal, :today) on conflict do nothing"),
            fresh,
        )
    rows = connection.execute(
        sa.text("select signal, first_scan_on from ops.signal where signal = any(:names)"), {"names": list(playbooks)}
    )
    return dict(rows.tuples().all())
