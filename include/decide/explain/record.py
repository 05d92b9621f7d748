"""Record the inputs of a decision: the rules in force, the gate, the values that conditions read, and blocking filters.

Records are kept by day: a later decision of the same day replaces them, and the same decision writes the same rows
again. Most subjects do not meet a rule's conditions and have no row for it: ``read`` evaluates the recorded conditions
over the recorded values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from include.decide.context import Day
from include.decide.episodes import RENEWAL
from include.decide.rules.load import Rule
from include.decide.rules.reasons import Block, Reason
from include.decide.rules.subjects import Table, table
from include.warehouse.engine import has_table

Row = dict[str, Any]
# Columns that the filters and the ladder read, in addition to those of conditions.
_ALWAYS = {
    "account": ("tier", "days_as_customer"),
    "contact": ("tier",),
    "former": ("tier",),
    RENEWAL: ("tier", "decision_date", "days_to_decision", "term_days", "is_auto_renew"),
}
# Column -> the columns shown with it to explain it.
SHOWN_WITH = {"usage_ratio": ("usage_28d", "usage_baseline")}


@dataclass(frozen=True)
class Rules:
    """The rules of one decision.

    Args:
        unavailable: Signal -> the entities that it needs and no source provides.
        problems: Signal or playbook -> why it could not be evaluated.
    """

    every: Mapping[str, Rule[Any]]
    unavailable: Mapping[str, str]
    problems: Mapping[str, str]


def record(connection: sa.Connection, day: Day, rules: Rules, blocked: Sequence[Block]) -> None:
    """Store the inputs of a decision.

    Args:
        blocked: The filters that kept a rule from opening.
    """
    rows = [*_gate(day), *_rules(day, rules), *map(_blocked, blocked)]
    rows_json = orjson.dumps(rows, default=str).decode()
    connection.execute(_WRITE, {"day": day.today, "rows": rows_json})
    for kind, columns in _columns(rules).items():
        subject = table(kind)
        if has_table(connection, subject.name):
            values = {"day": day.today, "as_of": day.as_of, "kind": kind}
            connection.execute(sa.text(_DELETE_UNLISTED.format(table=subject.name, key=subject.key)), values)
            connection.execute(sa.text(_inputs(subject, kind, columns)), values)


def _gate(day: Day) -> Iterator[Row]:
    states = day.readiness.sources
    sources = {state.source: {"kind": state.kind, "reasons": list(map(str, state.reasons))} for state in states}
    yield _row("", Reason.EVALUATED, {"as_of": day.as_of, "sources": sources})
    for reason, accounts in ((Reason.QUARANTINED, "quarantined"), (Reason.NOT_READ, "behind")):
        named: dict[str, dict[str, str]] = {}
        for state in states:
            for account_key in getattr(state, accounts):
                named.setdefault(account_key, {})[state.source] = state.kind
        for account_key, found in sorted(named.items()):
            about = {"subject_kind": "account", "subject_id": account_key, "account_key": account_key}
            yield _row("", reason, {"sources": found}, **about)


def _rules(day: Day, rules: Rules) -> Iterator[Row]:
    ladder = day.settings.renewals.ladder()
    yield _row(
        RENEWAL,
        Reason.EVALUATED,
        {
            "type": "ladder",
            "title": "Renewal ladder",
            "about": RENEWAL,
            "rungs": ladder.rungs,
            "late_by_days": ladder.late_by_days,
            "short_term_days": ladder.short_term_days,
        },
    )
    for name, rule in rules.every.items():
        facts = {
            "type": rule.file.type,
            "about": rule.about,
            "kinds": sorted(rule.kinds),
            "open": [{"reason": each.reason, "text": each.text, "facts": each.facts} for each in rule.open],
            "chosen_by": rule.file.trigger.signals if rule.is_chosen else (),
            "thresholds": rule.thresholds,
            "tiers": rule.tiers,
            **rule.file.model_dump(include={"title", "version", "status"}),
        }
        yield _row(name, *_state(name, rules, facts))


def _state(name: str, rules: Rules, facts: Row) -> tuple[Reason, Row]:
    if name in rules.unavailable:
        return Reason.NOT_AVAILABLE, {**facts, "needs": rules.unavailable[name]}
    if name in rules.problems:
        return Reason.NOT_EVALUATED, {**facts, "problem": rules.problems[name]}
    if facts["type"] == "playbook" and facts["status"] != "live":
        return Reason(facts["status"]), facts
    return Reason.EVALUATED, facts


def _blocked(block: Block) -> Row:
    about = {"subject_kind": block.subject_kind, "subject_id": block.subject_id, "account_key": block.account_key}
    return _row(block.rule, block.why.reason, dict(block.why.facts), **about)


def _row(rule: str, reason: Reason, facts: Row, **about: str) -> Row:
    no_subject = {"subject_kind": "", "subject_id": "", "account_key": ""}
    return {"rule": rule, "reason": reason, "facts": facts, **no_subject, **about}


def _columns(rules: Rules) -> dict[str, list[str]]:
    """Return kind of subject -> the columns that conditions read, without those that name a person."""
    used = {kind: set(columns) for kind, columns in _ALWAYS.items()}
    for rule in rules.every.values():
        used[rule.about].update(*(clause.condition.columns for clause in rule.open))
    return {kind: _kept(table(kind), columns) for kind, columns in used.items()}


def _kept(subject: Table, used: Iterable[str]) -> list[str]:
    columns = {*used, *(other for column in used for other in SHOWN_WITH.get(column, ()))}
    return [column for column, _ in subject.types.items() if column in columns and column not in subject.personal]


def _inputs(subject: Table, kind: str, columns: Sequence[str]) -> str:
    chosen = ", ".join(f"t.{column}" for column in columns)
    listed = "and t.decision_date is not null and t.term_days is not null" if kind == RENEWAL else ""
    return (
        "insert into ops.evaluation_input as present (day, subject_kind, subject_id, account_key, facts)"  # noqa: S608
        f" select :day, :kind, t.{subject.key}, t.account_key, jsonb_strip_nulls(to_jsonb(chosen))"
        f" from {subject.name} as t cross join lateral (select {chosen}) as chosen"
        f" where t.as_of_day = :as_of {listed} order by t.account_key"
        " on conflict (account_key, day, subject_kind, subject_id) do update set facts = excluded.facts"
        " where present.facts is distinct from excluded.facts"
    )


# Deletes subjects that an earlier decision of the day recorded and that are no longer listed.
_DELETE_UNLISTED = """
    delete from ops.evaluation_input as present
    where day = :day and subject_kind = :kind
        and not exists (
            select from {table} as t
            where t.as_of_day = :as_of and t.{key} = present.subject_id and t.account_key = present.account_key
        )
"""
_WRITE = sa.text(
    """
    with new_rows as (
        select * from jsonb_to_recordset(cast(:rows as jsonb)) as row (
            rule text, subject_kind text, subject_id text, account_key text, reason text, facts jsonb
        )
    ),
    gone as (
        delete from ops.evaluation as present where day = :day and not exists (
            select from new_rows where (new_rows.rule, new_rows.subject_kind, new_rows.subject_id, new_rows.reason)
                = (present.rule, present.subject_kind, present.subject_id, present.reason)
        )
    )
    insert into ops.evaluation as present (day, rule, subject_kind, subject_id, account_key, reason, facts)
    select :day, rule, subject_kind, subject_id, account_key, reason, facts from new_rows
    on conflict (day, rule, subject_kind, subject_id, reason) do update
        set account_key = excluded.account_key, facts = excluded.facts
    where (present.account_key, present.facts) is distinct from (excluded.account_key, excluded.facts)
    """
)
