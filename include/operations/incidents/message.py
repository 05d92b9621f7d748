"""Write the message of an incident: scope, three examples without personal data, affected tables, and what to do.

Reasons, rules and their fixes are English: they are records, and help for engineers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import formatting, texts
from include.common.texts import N_, gettext
from include.common.words import word
from include.config import Settings
from include.config.person import Person
from include.contracts import catalogue
from include.models import registry
from include.operations.incidents.detect import Incident
from include.outbox.message import Evidence, Fact, Message

Event = Literal["start", "worse", "over"]
_EXAMPLES = 3
_SHOWN = 8
_ALERTS = {
    "act_renewal_checkpoint": N_("renewal reminders and the playbooks on renewals"),
    "act_account": N_("signals on accounts"),
    "act_contact": N_("signals on people"),
    "act_former_account": N_("the signal on customers who left"),
}
_CLI = "python -m include.cli"


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
            subject=gettext("Resolved: {incident}", incident=title(what)),
            summary=gettext(
                "Open since {time}, now resolved. What it put on hold resumes automatically.",
                time=formatting.utc(since),
            ),
            footer=gettext("You were notified when it started. {key}", key=what.key),
        )
    facts = [Fact(label=gettext("First seen"), value=formatting.utc(since))]
    if what.n_rows:
        facts.insert(0, Fact(label=gettext("Affected"), value=_share(what)))
    if rule:
        facts.insert(0, Fact(label=gettext("Rule"), value=f"{rule.id} ({word(rule.severity)}; {rule.owner})"))
    kpis, alerts = affected(what.entity)
    cure = rule.cure if rule else what.cure
    return Message(
        subject=gettext("Worse: {incident}", incident=title(what)) if event == "worse" else title(what),
        summary=_summary(what, rule.says if rule else "", rule.why if rule else ""),
        facts=(
            *facts,
            Fact(label=gettext("Affected KPI tables"), value=_listed(kpis)),
            Fact(label=gettext("Affected alerts"), value=_listed([gettext(alert) for alert in alerts])),
        ),
        why_now=gettext(
            "{before} rows were reported before; there are {n} now.",
            before=formatting.number(notified_n_bad),
            n=formatting.number(what.n_bad),
        )
        if event == "worse" and what.n_bad
        else "",
        evidence=tuple(Evidence(text=text, level="unknown") for text in _examples(connection, what)),
        next_steps=(*((gettext("What to do: {cure}.", cure=cure),) if cure else ()), *_commands(what)),
        footer=gettext(
            "You are notified when it starts, gets worse and is resolved. To silence it: {command}",
            command=f"{_CLI} incidents silence '{what.key}' --until DAY --reason \"...\"",
        ),
    )


def owner(what: Incident, settings: Settings) -> Person:
    """Return whom to notify: the person in the settings for the rule's owner, else the source's owner."""
    if what.kind in ("feature", "event"):
        planned = settings.tracking_plan.events.get(what.key.split(":", 2)[2])
        return planned.owner if planned else settings.usage.tracking_plan_owner
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
        return gettext("a batch of {table} is on hold", table=f"{what.source}.{what.entity}")
    if what.kind == "source":
        return gettext("{source} cannot be read" if what.is_unreadable else "{source} is late", source=what.source)
    if what.kind == "feature":
        feature = what.key.rpartition(":")[2]
        return gettext("usage of {feature} in {source} is no longer measured", feature=feature, source=what.source)
    if what.kind == "event":
        event = what.key.split(":", 2)[2]
        if not event:
            return gettext("events arrive from {source} that the tracking plan does not list", source=what.source)
        return gettext("{event} no longer arrives from {source}", event=event, source=what.source)
    return gettext("rows of {table} are quarantined by {rule}", table=f"{what.source}.{what.entity}", rule=what.rule_id)


def _summary(what: Incident, says: str, why: str) -> str:
    text = what.reason or says
    first = f"{text[:1].upper()}{text[1:]}."
    return texts.space().join((first, gettext("Why it matters: {why}.", why=why))) if why else first


def _share(what: Incident) -> str:
    bad, rows = formatting.number(what.n_bad), formatting.number(what.n_rows)
    share = formatting.percent(min(1, what.n_bad / what.n_rows), 1)
    if what.kind == "rows":
        return gettext("{n} rows in quarantine; the batch had {rows} ({share})", n=bad, rows=rows, share=share)
    if what.kind == "feature":
        return gettext("{n} of {all} accounts ({share})", n=bad, all=rows, share=share)
    return gettext("{n} of {all} rows ({share})", n=bad, all=rows, share=share)


def _listed(names: list[str]) -> str:
    more = [gettext("{n} more", n=len(names) - _SHOWN)] if len(names) > _SHOWN else []
    return ", ".join((*names[:_SHOWN], *more)) or gettext("none")


def _examples(connection: Connection, what: Incident) -> list[str]:
    # The reason shows the columns that the rule reads, except those that identify a person.
    rows = connection.execute(
        _EXAMPLE_ROWS, {"source": what.source, "rule": what.rule_id, "batch": what.batch_id, "n": _EXAMPLES}
    )
    return [f"{row.entity} {row.record_id or gettext('(without id)')}: {row.reason}" for row in rows]


def _commands(what: Incident) -> tuple[str, ...]:
    if what.kind == "batch":
        decide = f'{what.batch_id} --reason "..."'
        return (
            gettext("Inspect: {command}", command=f"{_CLI} batch show {what.batch_id}"),
            gettext("If fixed at the source, read it again: {command}", command=f"{_CLI} batch drop {decide}"),
            gettext("If it is correct, merge it: {command}", command=f"{_CLI} batch accept {decide}"),
            gettext(
                "Without a command line: trigger review_quarantine in Airflow, first with show and batch {batch}",
                batch=what.batch_id,
            ),
        )
    if what.kind == "rows":
        rule = f"{what.rule_id} --source {what.source}"
        return (
            gettext("Inspect: {command}", command=f"{_CLI} quarantine show {rule}"),
            gettext("After fixing the rule or mapping: {command}", command=f"{_CLI} quarantine replay {rule}"),
            gettext("Without a command line: trigger review_quarantine in Airflow, first with show and this rule"),
        )
    if what.kind == "event":
        return (gettext("Inspect: {command}", command=f"{_CLI} catalogue events"),)
    if what.kind == "feature":
        return (
            gettext("Inspect: {command}", command=f"{_CLI} contracts show {what.rule_id}"),
            gettext("Reload it: {command}", command=f"{_CLI} ingest {what.source} --since DAY"),
        )
    return (
        gettext("Run: {command}", command=f"{_CLI} ingest {what.source}"),
        gettext("Inspect: {command}", command=f"{_CLI} status"),
    )


_EXAMPLE_ROWS = sa.text(
    """
    select entity, record_id, reason from quarantine.record
    where source = :source and (rule_id = :rule or (:rule = '' and batch_id = :batch)) and state in ('open', 'requeued')
    order by quarantine_id desc limit :n
    """
)
