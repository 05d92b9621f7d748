"""Explain, for one account and day, which signals, reminders and playbooks opened, and what blocked the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import sqlalchemy as sa

from include import config
from include.common.errors import ConfigError
from include.config.renewals import Ladder
from include.decide.episodes import RENEWAL
from include.decide.explain import conditions
from include.decide.explain.conditions import Part
from include.decide.renewals.ladder import due_on, rungs
from include.decide.rules.load import thresholds_of
from include.decide.rules.reasons import Reason, Why
from include.decide.rules.subjects import table
from include.warehouse.engine import engine

Outcome = Literal["opened", "open", "closed", "not opened"]
_OPEN: Mapping[Reason, Outcome] = {Reason.OPENED: "opened", Reason.ALREADY_OPEN: "open", Reason.CLOSED: "closed"}


@dataclass(frozen=True)
class Line:
    """The outcome of one rule for one subject.

    Args:
        rule: The signal, the playbook, or ``renewal`` for the ladder.
        type: signal, playbook or ladder.
        subject_kind: account, contact, former or renewal.
        subject_id: The subject's id; "" if the account had none.
        step: For the ladder: days before the decision.
        outcome: Whether it opened on the day, was open, was closed, or did not open.
        why: The reasons. For an open episode, also the outcome of its messages.
        parts: The parts of a condition that does not hold.
    """

    rule: str
    type: str
    title: str
    subject_kind: str
    subject_id: str
    step: str
    outcome: Outcome
    why: tuple[Why, ...]
    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        said = "; ".join(why.text for why in self.why)
        return f"Not opened: {said}." if self.outcome == "not opened" else f"{said[:1].upper()}{said[1:]}."


@dataclass(frozen=True)
class Explanation:
    """The explanation of one account and day.

    Args:
        account_key: The account. For a merged one, the account that it was merged into.
        as_of: The day that the tables were built for.
        days: All days with a recorded decision, the newest first.
    """

    account_key: str
    day: date
    as_of: date
    days: tuple[date, ...]
    lines: tuple[Line, ...]


@dataclass
class _Seen:
    """The records of one account and day."""

    day: date
    rules: dict[str, tuple[Reason, dict[str, Any]]] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    not_read: list[Why] = field(default_factory=list)
    blocked: dict[tuple[str, str], list[Why]] = field(default_factory=lambda: defaultdict(list))
    subjects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    source: str = ""
    episodes: dict[tuple[str, str], Any] = field(default_factory=dict)
    sent: dict[tuple[str, str], list[Any]] = field(default_factory=lambda: defaultdict(list))

    def not_ready(self, kinds: Sequence[str]) -> list[Why]:
        """Return the gate's reasons against the account's CRM, these kinds of source, and the account's own records."""
        sources = self.gate["sources"]
        mine = [name for name, state in sources.items() if (name == self.source if state["kind"] == "crm" else True)]
        asked = [name for name in mine if sources[name]["kind"] in ("crm", *kinds)]
        reasons = [
            Why(Reason.SOURCE_NOT_READY, {"source": name, "reason": "; ".join(sources[name]["reasons"])})
            for name in asked
            if sources[name]["reasons"]
        ]
        known = {state["kind"] for state in sources.values()}
        reasons += [
            Why(Reason.SOURCE_NOT_READY, {"source": kind, "reason": "no source of this kind is connected"})
            for kind in kinds
            if kind not in known
        ]
        return reasons + [why for why in self.not_read if why.facts["source"] in asked]


def explain(account_key: str, signal: str = "", day: date | None = None) -> Explanation:
    """Return why each rule did or did not open for an account.

    Args:
        account_key: Such as ``crm:1001``. A merged account is replaced by the one that it was merged into.
        signal: Only this signal or playbook, or ``renewal`` for the ladder; "" for all.
        day: A day with a recorded decision; by default the last one.

    Raises:
        ConfigError: Nothing is recorded for that account, day or rule.
    """
    with engine("reader").connect() as connection:
        keys = _keys(connection, account_key)
        days = tuple(connection.execute(_DAYS).scalars())
        day = day or (days[0] if days else None)
        if day is None or day not in days:
            said = f"of {day}" if day else "yet"
            raise ConfigError(
                f"no decision {said} is on record", cure=f"known: {', '.join(map(str, days[:3])) or 'run `decide`'}"
            )
        seen = _read(connection, keys, day)
        if not (seen.subjects or seen.episodes):
            raise ConfigError(
                f"{account_key} was not evaluated on {day}: no customer then, excluded, or not an account's key",
                cure="a key is the source and the id there, such as crm:1001",
            )
        if signal and signal not in seen.rules:
            raise ConfigError(
                f"no rule {signal} was in force on {day}", cure=f"known: {', '.join(sorted(filter(None, seen.rules)))}"
            )
        lines = [line for rule in seen.rules if not signal or rule == signal for line in _lines(connection, seen, rule)]
    lines.sort(key=lambda line: (_TYPES.index(line.type), line.rule, line.subject_id, -int(line.step or 0)))
    return Explanation(keys[0], day, date.fromisoformat(seen.gate["as_of"]), days, tuple(lines))


def _keys(connection: sa.Connection, account_key: str) -> list[str]:
    """Return the surviving account first, then the accounts that were merged into it."""
    source, _, account_id = account_key.partition(":")
    found = connection.execute(_MERGED, {"source": source, "id": account_id}).all()
    survivor = next((row.survivor_id for row in found if row.loser_id == account_id), account_id)
    return [f"{source}:{survivor}", *sorted(f"{source}:{row.loser_id}" for row in found)]


def _read(connection: sa.Connection, keys: list[str], day: date) -> _Seen:
    seen = _Seen(day, source=keys[0].partition(":")[0])
    values = {"keys": keys, "day": day, "zone": config.load().reporting_zone}
    for row in connection.execute(_EVALUATIONS, values):
        if row.subject_id and row.rule:
            seen.blocked[row.rule, row.subject_id].append(Why(Reason(row.reason), row.facts))
        elif row.subject_id:
            seen.not_read += [Why(Reason(row.reason), {"source": source}) for source in row.facts["sources"]]
        elif row.rule:
            seen.rules[row.rule] = (Reason(row.reason), row.facts)
        else:
            seen.gate = row.facts
    for row in connection.execute(_INPUTS, values):
        seen.subjects[row.subject_kind][row.subject_id] = row.facts
    for row in connection.execute(_EPISODES, values):
        seen.episodes[row.signal, row.entity_id] = row
    for row in connection.execute(_SENT, values):
        seen.sent[row.rule, row.entity_id].append(row)
    return seen


def _lines(connection: sa.Connection, seen: _Seen, rule: str) -> Iterator[Line]:
    reason, facts = seen.rules[rule]
    about = facts["about"]
    ids = sorted({*seen.subjects[about], *(entity for name, entity in seen.episodes if name == rule)})
    if not ids:
        yield _line(rule, facts, "", [Why(Reason.NO_SUBJECT, {"subject_kind": _NOUNS[about]})])
    for subject_id in ids:
        values = seen.subjects[about].get(subject_id, {})
        if facts["type"] == "ladder":
            yield from _reminders(seen, rule, facts, subject_id, values)
            continue
        episode = seen.episodes.get((rule, subject_id))
        if episode:
            why = [_opened(seen.day, episode), *_notified(seen, facts, episode)]
            yield _line(rule, facts, subject_id, why)
        elif reason is not Reason.EVALUATED:
            yield _line(rule, facts, subject_id, [Why(reason, facts)])
        else:
            recorded = seen.blocked[rule, subject_id]
            parts: list[Part] = []
            blocked_by = [why for why in recorded if why.reason is not Reason.CONDITION_NOT_MET]
            blocked_by = seen.not_ready(facts["kinds"]) + blocked_by
            if not blocked_by and facts["chosen_by"] and not recorded:
                blocked_by = [Why(Reason.SIGNAL_NOT_OPEN, {"signals": facts["chosen_by"]})]
            elif not blocked_by:
                condition, parts = _condition(connection, facts, values)
                blocked_by = [condition]
            yield _line(rule, facts, subject_id, blocked_by, parts=parts)


def _line(
    rule: str, facts: Mapping[str, Any], subject_id: str, why: Sequence[Why], step: str = "", parts: Sequence[Part] = ()
) -> Line:
    outcome: Outcome = next((_OPEN[one.reason] for one in why if one.reason in _OPEN), "not opened")
    return Line(
        rule,
        facts["type"],
        facts["title"],
        facts["about"],
        subject_id,
        step,
        outcome,
        tuple(why),
        tuple(parts),
    )


def _opened(day: date, episode: Any) -> Why:
    if episode.closed_on == day:
        return Why(Reason.CLOSED, {"reason": episode.close_reason, "closed_on": day})
    reason = Reason.OPENED if episode.opened_on == day else Reason.ALREADY_OPEN
    return Why(reason, {"opened_on": episode.opened_on})


def _notified(seen: _Seen, facts: Mapping[str, Any], episode: Any) -> Iterator[Why]:
    """Yield the outcome of an open episode's messages and tasks."""
    if episode.arm == "held_out":
        yield Why(Reason.HELD_OUT)
    elif episode.notified_as == "silent" and facts.get("status") == "draft":
        yield Why(Reason.DRAFT)
    elif episode.notified_as == "silent":
        yield Why(Reason.BEFORE_FIRST_SCAN, {"first_scan_on": episode.opened_on})
    elif episode.notified_as in ("digest", "waiting"):
        yield Why(Reason.DAILY_BUDGET)
    if episode.snoozed_until and episode.snoozed_until > seen.day:
        yield Why(Reason.SNOOZED, {"until": episode.snoozed_until})
    rows = [row for row in seen.sent[episode.signal, episode.entity_id] if row.episode_no == episode.episode_no]
    yield from _delivered(rows)


def _delivered(rows: Sequence[Any]) -> Iterator[Why]:
    """Yield the outcomes of outbox rows, grouped by outcome."""
    found: dict[Reason, list[Any]] = defaultdict(list)
    for row in rows:
        found[_outcome(row)].append(row)
    for reason, same in found.items():
        channels = sorted({row.channel for row in same})
        facts = {"channels": channels, "state": same[0].state}
        if reason is Reason.ABOVE_CAP:
            facts |= {"reason": same[0].reason, "approval_id": same[0].approval_id}
        yield Why(reason, facts)


def _outcome(row: Any) -> Reason:
    if row.state == "parked":
        return Reason.ABOVE_CAP
    if row.state == "planned":
        return Reason.CHANNEL_ON_HOLD if row.is_on_hold else Reason.PLANNED
    if row.state == "suppressed" and row.reason == "dry run":
        return Reason.DRY_RUN
    if row.state == "failed" and not row.address:
        return Reason.NO_RECIPIENT
    return Reason.SENT if row.state in ("sent", "sending") else Reason.NOT_SENT


def _reminders(
    seen: _Seen, rule: str, facts: Mapping[str, Any], renewal_id: str, values: Mapping[str, Any]
) -> Iterator[Line]:
    """Yield the outcome of each rung for one renewal."""
    if not values:
        yield _line(rule, facts, renewal_id, [_opened(seen.day, seen.episodes[rule, renewal_id])])
        return
    ladder = Ladder(tuple(facts["rungs"]), facts["late_by_days"], facts["short_term_days"])
    decision, term_days = date.fromisoformat(values["decision_date"]), values["term_days"]
    own = {rung.days: rung for rung in rungs(decision, term_days, ladder)}
    due = due_on(seen.day, decision, term_days, ladder)
    for days in ladder.rungs:
        rung, step = own.get(days), str(days)
        rows = [row for row in seen.sent[rule, renewal_id] if row.step == step]
        why: list[Why] = []
        if rung is None:
            why = [Why(Reason.TERM_TOO_SHORT, {"term_days": term_days})]
        elif any(row.state != "expired" for row in rows):
            first = min(row.planned_on for row in rows)
            reason = Reason.OPENED if first == seen.day else Reason.ALREADY_OPEN
            why = [Why(reason, {"opened_on": first}), *_delivered(rows)]
        elif rung.on > seen.day:
            why = [Why(Reason.NOT_DUE, {"due_on": rung.on})]
        elif rung == due:
            why = [one for one in seen.blocked[rule, renewal_id] if one.facts.get("step") == step]
            why += seen.not_ready(())
        if not why and rung:
            why = [Why(Reason.PASSED_OVER, {"first": rung.on, "last": rung.until})]
        yield _line(rule, facts, renewal_id, why, step)


def _condition(
    connection: sa.Connection, facts: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[Why, list[Part]]:
    """Return the first opening condition that was false or unknown, with its parts; CONDITION_MET if all were true."""
    limits = thresholds_of(facts["thresholds"], facts["tiers"], values.get("tier"))
    parts: list[Part] = []
    for clause in facts["open"]:
        parts = conditions.parts(connection, clause["text"], limits, values, table(facts["about"]).types)
        failed = [part for part in parts if part.holds is False] or [part for part in parts if part.holds is None]
        if not failed:
            continue
        read = {name: value for part in failed for name, value in part.values.items()}
        if clause["reason"] != Reason.CONDITION_NOT_MET:
            return Why(Reason(clause["reason"]), {**clause["facts"], **read}), []
        said = {
            "condition": "; ".join(part.text for part in failed),
            "values": read,
            "thresholds": {name: value for part in failed for name, value in part.thresholds.items()},
        }
        return Why(Reason.VALUE_UNKNOWN if failed[0].holds is None else Reason.CONDITION_NOT_MET, said), parts
    return Why(Reason.CONDITION_MET), parts


_TYPES = ("signal", "ladder", "playbook")
_NOUNS = {
    "account": "record as a customer",
    "contact": "contact",
    "former": "record as a former customer",
    RENEWAL: "open renewal",
}
_DAYS = sa.text("select day from ops.evaluation where rule = '' and subject_id = '' order by day desc")
_MERGED = sa.text(
    "select loser_id, survivor_id from meta.account_merge where source = :source and (loser_id = :id or survivor_id in"
    " (:id, (select survivor_id from meta.account_merge where source = :source and loser_id = :id)))"
)
_EVALUATIONS = sa.text(
    "select rule, subject_id, reason, facts from ops.evaluation"
    " where day = :day and (account_key = '' or account_key = any(:keys)) order by rule, reason"
)
_INPUTS = sa.text(
    "select subject_kind, subject_id, facts from ops.evaluation_input where day = :day and account_key = any(:keys)"
)
_EPISODES = sa.text(
    "select signal, entity_id, episode_no, opened_on, closed_on, close_reason, notified_as, arm, snoozed_until"
    " from ops.episode where account_key = any(:keys) and opened_on <= :day"
    " and (closed_on is null or closed_on >= :day) order by episode_no"
)
_SENT = sa.text(
    "select rule, entity_id, episode_no, step, channel, state, reason, approval_id, address,"
    " cast(planned_at at time zone :zone as date) as planned_on,"
    " coalesce((select is_on_hold from ops.channel as c where c.channel = o.channel), false) as is_on_hold"
    " from ops.outbox as o where account_key = any(:keys) and cast(planned_at at time zone :zone as date) <= :day"
    " and left(step, 6) <> 'close:' order by outbox_id"
)
