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
from include.common.texts import gettext
from include.common.words import word
from include.config.renewals import Ladder
from include.decide.episodes import RENEWAL
from include.decide.explain import conditions
from include.decide.explain.conditions import Part
from include.decide.renewals.ladder import due_on, rungs
from include.decide.rules.load import thresholds_of
from include.decide.rules.reasons import DetailedReason, Reason
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
    why: tuple[DetailedReason, ...]
    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        reasons = "; ".join(why.text for why in self.why)
        if self.outcome == "not opened":
            return gettext("Not opened: {reasons}.", reasons=reasons)
        return gettext("{reasons}.", reasons=f"{reasons[:1].upper()}{reasons[1:]}")


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
class _Records:
    """The records of one account and day."""

    day: date
    rules: dict[str, tuple[Reason, dict[str, Any]]] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    not_read: list[DetailedReason] = field(default_factory=list)
    blocked: dict[tuple[str, str], list[DetailedReason]] = field(default_factory=lambda: defaultdict(list))
    subjects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    source: str = ""
    episodes: dict[tuple[str, str], Any] = field(default_factory=dict)
    sent: dict[tuple[str, str], list[Any]] = field(default_factory=lambda: defaultdict(list))

    def not_ready(self, kinds: Sequence[str]) -> list[DetailedReason]:
        """Return the gate's reasons against the account's CRM, these kinds of source, and the account's own records."""
        sources = self.gate["sources"]
        mine = [name for name, state in sources.items() if (name == self.source if state["kind"] == "crm" else True)]
        relevant = [name for name in mine if sources[name]["kind"] in ("crm", *kinds)]
        reasons = [
            DetailedReason(Reason.SOURCE_NOT_READY, {"source": name, "reason": "; ".join(sources[name]["reasons"])})
            for name in relevant
            if sources[name]["reasons"]
        ]
        known = {state["kind"] for state in sources.values()}
        reasons += [
            DetailedReason(Reason.SOURCE_NOT_READY, {"source": kind, "reason": "no source of this kind is connected"})
            for kind in kinds
            if kind not in known
        ]
        return reasons + [why for why in self.not_read if why.facts["source"] in relevant]


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
            when = f"of {day}" if day else "yet"
            raise ConfigError(
                f"no decision {when} is recorded", cure=f"known: {', '.join(map(str, days[:3])) or 'run `decide`'}"
            )
        records = _read(connection, keys, day)
        if not (records.subjects or records.episodes):
            raise ConfigError(
                f"{account_key} was not evaluated on {day}: not a customer then, excluded, or a wrong key",
                cure="write the source and its id for the account, such as crm:1001",
            )
        if signal and signal not in records.rules:
            raise ConfigError(
                f"no rule {signal} was in force on {day}",
                cure=f"known: {', '.join(sorted(filter(None, records.rules)))}",
            )
        lines = [
            line for rule in records.rules if not signal or rule == signal for line in _lines(connection, records, rule)
        ]
    lines.sort(key=lambda line: (_TYPES.index(line.type), line.rule, line.subject_id, -int(line.step or 0)))
    return Explanation(keys[0], day, date.fromisoformat(records.gate["as_of"]), days, tuple(lines))


def _keys(connection: sa.Connection, account_key: str) -> list[str]:
    """Return the surviving account first, then the accounts that were merged into it."""
    source, _, account_id = account_key.partition(":")
    found = connection.execute(_MERGED, {"source": source, "id": account_id}).all()
    survivor = next((row.survivor_id for row in found if row.loser_id == account_id), account_id)
    return [f"{source}:{survivor}", *sorted(f"{source}:{row.loser_id}" for row in found)]


def _read(connection: sa.Connection, keys: list[str], day: date) -> _Records:
    records = _Records(day, source=keys[0].partition(":")[0])
    values = {"keys": keys, "day": day, "zone": config.load().reporting_zone}
    for row in connection.execute(_EVALUATIONS, values):
        if row.subject_id and row.rule:
            records.blocked[row.rule, row.subject_id].append(DetailedReason(Reason(row.reason), row.facts))
        elif row.subject_id:
            records.not_read += [
                DetailedReason(Reason(row.reason), {"source": source}) for source in row.facts["sources"]
            ]
        elif row.rule:
            records.rules[row.rule] = (Reason(row.reason), row.facts)
        else:
            records.gate = row.facts
    for row in connection.execute(_INPUTS, values):
        records.subjects[row.subject_kind][row.subject_id] = row.facts
    for row in connection.execute(_EPISODES, values):
        records.episodes[row.signal, row.entity_id] = row
    for row in connection.execute(_SENT, values):
        records.sent[row.rule, row.entity_id].append(row)
    return records


def _lines(connection: sa.Connection, records: _Records, rule: str) -> Iterator[Line]:
    reason, facts = records.rules[rule]
    about = facts["about"]
    ids = sorted({*records.subjects[about], *(entity for name, entity in records.episodes if name == rule)})
    if not ids:
        yield _line(rule, facts, "", [DetailedReason(Reason.NO_SUBJECT, {"subject_kind": _NOUNS[about]})])
    for subject_id in ids:
        values = records.subjects[about].get(subject_id, {})
        if facts["type"] == "ladder":
            yield from _reminders(records, rule, facts, subject_id, values)
            continue
        episode = records.episodes.get((rule, subject_id))
        if episode:
            why = [_opened(records.day, episode), *_notified(records, facts, episode)]
            yield _line(rule, facts, subject_id, why)
        elif reason is not Reason.EVALUATED:
            yield _line(rule, facts, subject_id, [DetailedReason(reason, facts)])
        else:
            recorded = records.blocked[rule, subject_id]
            parts: list[Part] = []
            blocked_by = [why for why in recorded if why.reason is not Reason.CONDITION_NOT_MET]
            blocked_by = records.not_ready(facts["kinds"]) + blocked_by
            if not blocked_by and facts["chosen_by"] and not recorded:
                blocked_by = [DetailedReason(Reason.SIGNAL_NOT_OPEN, {"signals": facts["chosen_by"]})]
            elif not blocked_by:
                condition, parts = _condition(connection, facts, values)
                blocked_by = [condition]
            yield _line(rule, facts, subject_id, blocked_by, parts=parts)


def _line(
    rule: str,
    facts: Mapping[str, Any],
    subject_id: str,
    why: Sequence[DetailedReason],
    step: str = "",
    parts: Sequence[Part] = (),
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


def _opened(day: date, episode: Any) -> DetailedReason:
    if episode.closed_on == day:
        return DetailedReason(Reason.CLOSED, {"reason": episode.close_reason, "closed_on": day})
    reason = Reason.OPENED if episode.opened_on == day else Reason.ALREADY_OPEN
    return DetailedReason(reason, {"opened_on": episode.opened_on})


def _notified(records: _Records, facts: Mapping[str, Any], episode: Any) -> Iterator[DetailedReason]:
    """Yield the outcome of an open episode's messages and tasks."""
    yield from held_back(episode, facts.get("status", ""), records.day)
    rows = [row for row in records.sent[episode.signal, episode.entity_id] if row.episode_no == episode.episode_no]
    yield from delivered(rows)


def held_back(episode: Any, status: str, day: date) -> Iterator[DetailedReason]:
    """Yield why nobody was notified of an open episode, or not at once.

    Args:
        status: Of its rule.
    """
    if episode.arm == "held_out":
        yield DetailedReason(Reason.HELD_OUT)
    elif episode.notified_as == "silent" and status == "draft":
        yield DetailedReason(Reason.DRAFT)
    elif episode.notified_as == "silent":
        yield DetailedReason(Reason.BEFORE_FIRST_SCAN, {"first_scan_on": episode.opened_on})
    elif episode.notified_as in ("digest", "waiting"):
        yield DetailedReason(Reason.DAILY_BUDGET)
    if episode.snoozed_until and episode.snoozed_until > day:
        yield DetailedReason(Reason.SNOOZED, {"until": episode.snoozed_until})


def delivered(rows: Sequence[Any]) -> Iterator[DetailedReason]:
    """Yield the outcomes of outbox rows, grouped by outcome."""
    found: dict[Reason, list[Any]] = defaultdict(list)
    for row in rows:
        found[_outcome(row)].append(row)
    for reason, same in found.items():
        channels = sorted({row.channel for row in same})
        facts = {"channels": channels, "state": same[0].state}
        if reason in (Reason.ABOVE_CAP, Reason.WAITING, Reason.NOT_SENT):
            facts |= {"reason": same[0].reason, "approval_id": same[0].approval_id, "word": word(same[0].state)}
        yield DetailedReason(reason, facts)


def _outcome(row: Any) -> Reason:
    if row.state == "parked":
        return Reason.ABOVE_CAP
    if row.state == "planned":
        if row.is_on_hold:
            return Reason.CHANNEL_ON_HOLD
        return Reason.WAITING if row.reason else Reason.PLANNED
    if row.state == "suppressed" and row.reason == "dry run":
        return Reason.DRY_RUN
    if row.state == "failed" and not row.address:
        return Reason.NO_RECIPIENT
    return Reason.SENT if row.state in ("sent", "sending") else Reason.NOT_SENT


def _reminders(
    records: _Records, rule: str, facts: Mapping[str, Any], renewal_id: str, values: Mapping[str, Any]
) -> Iterator[Line]:
    """Yield the outcome of each rung for one renewal."""
    if not values:
        yield _line(rule, facts, renewal_id, [_opened(records.day, records.episodes[rule, renewal_id])])
        return
    ladder = Ladder(tuple(facts["rungs"]), facts["late_by_days"], facts["short_term_days"])
    decision, term_days = date.fromisoformat(values["decision_date"]), values["term_days"]
    own = {rung.days: rung for rung in rungs(decision, term_days, ladder)}
    due = due_on(records.day, decision, term_days, ladder)
    for days in ladder.rungs:
        rung, step = own.get(days), str(days)
        rows = [row for row in records.sent[rule, renewal_id] if row.step == step]
        why: list[DetailedReason] = []
        if rung is None:
            why = [DetailedReason(Reason.TERM_TOO_SHORT, {"term_days": term_days})]
        elif any(row.state != "expired" for row in rows):
            first = min(row.planned_on for row in rows)
            reason = Reason.OPENED if first == records.day else Reason.ALREADY_OPEN
            why = [DetailedReason(reason, {"opened_on": first}), *delivered(rows)]
        elif rung.on > records.day:
            why = [DetailedReason(Reason.NOT_DUE, {"due_on": rung.on})]
        elif rung == due:
            why = [one for one in records.blocked[rule, renewal_id] if one.facts.get("step") == step]
            why += records.not_ready(())
        if not why and rung:
            why = [DetailedReason(Reason.PASSED_OVER, {"first": rung.on, "last": rung.until})]
        yield _line(rule, facts, renewal_id, why, step)


def _condition(
    connection: sa.Connection, facts: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[DetailedReason, list[Part]]:
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
            return DetailedReason(Reason(clause["reason"]), {**clause["facts"], **read}), []
        details = {
            "condition": "; ".join(part.text for part in failed),
            "values": read,
            "thresholds": {name: value for part in failed for name, value in part.thresholds.items()},
        }
        return DetailedReason(
            Reason.VALUE_UNKNOWN if failed[0].holds is None else Reason.CONDITION_NOT_MET, details
        ), parts
    return DetailedReason(Reason.CONDITION_MET), parts


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
