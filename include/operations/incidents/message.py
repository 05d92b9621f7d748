"""Write the message of an incident: scope, three examples without personal data, affected tables, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.config import Settings
from include.config.models import Person
from include.contracts import catalogue
from include.models import registry
from include.operations.incidents.detect import Incident
from include.outbox.message import Evidence, Fact, Message

Event = Literal["start", "worse", "over"]
_EXAMPLES = 3
_SHOWN = 8
_ALERTS = {
    "act_renewal_checkpoint": "renewal reminders and the playbooks on renewals",
    "act_account": "signals on accounts",
    "act_contact": "signals on people",
    "act_former_account": "the signal on customers who left",
}


def write(connection: Connection, event: Event, what: Incident, since: datetime, notified_n_bad: int) -> Message:
    """Return the message of one event of an incident.

    Args:
        event: The incident started, got worse or ended.
        what: The incident as it is now, or as it last was if it has ended.
        since: When it was first seen.
        notified_n_bad: The number of rows in the last notification.
    """
    rule = catalogue.get(what.rule_id) if what.rule_id else None
    if event == "over":
        return Message(
            subject=f"Resolved: {title(what)}",
            summary=f"Open since {since:%Y-%m-%d %H:%M} UTC, now resolved. What it put on hold resumes automatically.",
            footer=f"You were notified when it started. {what.key}",
        )
    facts = [Fact(label="First seen", value=f"{since:%Y-%m-%d %H:%M} UTC")]
    if what.n_rows:
        facts.insert(0, Fact(label="Affected", value=_share(what)))
    if rule:
        facts.insert(0, Fact(label="Rule", value=f"{rule.id} ({rule.severity}; {rule.owner})"))
    kpis, alerts = affected(what.entity)
    cure = rule.cure if rule else what.cure
    return Message(
        subject=f"{'Worse: ' if event == 'worse' else ''}{title(what)}",
        summary=_summary(what, rule.says if rule else "", rule.why if rule else ""),
        facts=(
            *facts,
            Fact(label="Affected KPI tables", value=_listed(kpis) or "none"),
            Fact(label="Affected alerts", value=_listed(alerts) or "none"),
        ),
        why_now=f"{notified_n_bad:,} rows were reported before; there are {what.n_bad:,} now."
        if event == "worse" and what.n_bad
        else "",
        evidence=tuple(Evidence(text=text, level="unknown") for text in _examples(connection, what)),
        next_steps=(*((f"What to do: {cure}.",) if cure else ()), *_commands(what)),
        footer=f"You are notified when it starts, gets worse and is resolved. To silence it: "
        f"python -m include.cli incidents silence '{what.key}' --until DAY --reason \"...\"",
    )


def owner(what: Incident, settings: Settings) -> Person:
    """Return whom to notify: the person in the settings for the rule's owner, else the source's owner."""
    if what.kind == "feature":
        return settings.usage.tracking_plan_owner
    rule = catalogue.get(what.rule_id) if what.rule_id else None
    source = settings.source(what.source)
    named = settings.people.data_owners.get(rule.owner) if rule else None
    return named or (source.owner if source else settings.people.queue)


def affected(entity: str) -> tuple[list[str], list[str]]:
    """Return the marts and alerts that depend on an entity, directly or through other tables."""
    every = registry.load()
    reached = {name for name, model in every.items() if not entity or entity in model.entities}
    edges = registry.edges()
    while True:
        more = {reader for read, reader in edges if read in reached} - reached
        if not more:
            break
        reached |= more
    marts = sorted(name.removeprefix("marts.") for name in reached if name.startswith("marts."))
    return [name for name in marts if name not in _ALERTS], [_ALERTS[name] for name in marts if name in _ALERTS]


def title(what: Incident) -> str:
    """Return an incident in one line."""
    if what.kind == "batch":
        return f"a batch of {what.source}.{what.entity} is on hold"
    if what.kind == "source":
        return f"{what.source} cannot be read" if what.is_unreadable else f"{what.source} is late"
    if what.kind == "feature":
        return f"usage of {what.key.rpartition(':')[2]} in {what.source} is no longer measured"
    return f"rows of {what.source}.{what.entity} are quarantined by {what.rule_id}"


def _summary(what: Incident, says: str, why: str) -> str:
    text = what.reason or says
    return f"{text[:1].upper()}{text[1:]}.{f' Why it matters: {why}.' if why else ''}"


def _share(what: Incident) -> str:
    unit = "accounts" if what.kind == "feature" else "rows"
    if what.kind == "rows":
        share = min(1, what.n_bad / what.n_rows)
        return f"{what.n_bad:,} {unit} in quarantine; the batch had {what.n_rows:,} ({share:.1%})"
    return f"{what.n_bad:,} of {what.n_rows:,} {unit} ({what.n_bad / what.n_rows:.1%})"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _examples(connection: Connection, what: Incident) -> list[str]:
    # The reason shows the columns that the rule reads, except those that identify a person.
    rows = connection.execute(
        _EXAMPLE_ROWS, {"source": what.source, "rule": what.rule_id, "batch": what.batch_id, "n": _EXAMPLES}
    )
    return [f"{row.entity} {row.record_id or '(without id)'}: {row.reason}" for row in rows]


def _commands(what: Incident) -> tuple[str, ...]:
    cli = "python -m include.cli"
    if what.kind == "batch":
        return (
            f"Inspect: {cli} batch show {what.batch_id}",
            f'If fixed at the source, read it again: {cli} batch drop {what.batch_id} --reason "..."',
            f'If it is correct, merge it: {cli} batch accept {what.batch_id} --reason "..."',
            f"Without a command line: trigger review_quarantine in Airflow, first with show and batch {what.batch_id}",
        )
    if what.kind == "rows":
        return (
            f"Inspect: {cli} quarantine show {what.rule_id} --source {what.source}",
            f"After fixing the rule or mapping: {cli} quarantine replay {what.rule_id} --source {what.source}",
            "Without a command line: trigger review_quarantine in Airflow, first with show and this rule",
        )
    if what.kind == "feature":
        return (f"Inspect: {cli} contracts show {what.rule_id}", f"Reload it: {cli} ingest {what.source} --since DAY")
    return (f"Run: {cli} ingest {what.source}", f"Inspect: {cli} status")


_EXAMPLE_ROWS = sa.text(
    """
    select entity, record_id, reason from quarantine.record
    where source = :source and (rule_id = :rule or (:rule = '' and batch_id = :batch)) and state in ('open', 'requeued')
    order by quarantine_id desc limit :n
    """
)
