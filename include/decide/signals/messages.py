"""Write the messages of signals: an alert with its figures and their sources, or the daily digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from include.common import formatting
from include.common.errors import ConfigError
from include.config import templates
from include.decide.context import Day
from include.decide.recipients import calendar_of
from include.decide.signals.events import Event
from include.outbox import links, personal_data
from include.outbox.message import Evidence, Fact, Level, Message
from include.scores.health import explanation

MAX_LINES = 40
BEFORE_BAND_DAYS = 3  # the same offset as health_before of marts.act_account
_CAUSES = 3
SNOOZE_ENDED = "due:"  # prefix of the step that ends a snooze; the day follows


_LEVELS: dict[str, Level] = {"risk": "risk", "opportunity": "good", "data": "unknown"}


def alert(event: Event, day: Day) -> Message:
    """Return the alert for a signal that opened, became worse or is due after a snooze."""
    signal, values = event.rule.file, event.values
    zone = ZoneInfo(calendar_of(values["region"], day.settings).zone)
    lines = [line for template in signal.evidence if (line := _fill(event, template))]
    lines += _causes(event, day) if signal.explains_health else []
    kinds = sorted(event.rule.kinds) or ["crm"]
    source = "; ".join(day.readiness.source_label(kind, values["crm_source"], zone) for kind in kinds)
    trend = "It got worse." if event.step == "worse" else "New today."
    if event.step.startswith(SNOOZE_ENDED):
        trend = "Your snooze ended today and the condition still applies."
    return Message(
        subject=_subject(event),
        summary=f"{lines[0] if lines else signal.title} {_amount_at_stake(event)}",
        notes=(event.to.note,) if event.to.note else (),
        facts=(
            Fact(label="Customer", value=f"{values['account_name']} ({formatting.plain(values['tier'] or 'no tier')})"),
            Fact(label="At stake", value=f"{formatting.money(values['arr'], values['currency'])} a year (ARR)"),
            Fact(label="Next decision", value=_decision(event)),
            Fact(label="CSM", value=values["owner_name"] or "none in the CRM"),
        ),
        why_now=f"{signal.title}: {signal.why} {trend}",
        evidence=tuple(Evidence(text=line, source=source, level=_LEVELS[signal.kind]) for line in lines),
        next_steps=tuple(_fill(event, template) for template in signal.next_steps),
        links=links.account(day.settings, values["crm_source"], values["crm_account_id"]),
        footer=f"Signal {event.rule.version}; data as of {formatting.day(day.as_of)}. All times in {zone.key}.",
    )


def digest(events: Sequence[Event], day: Day) -> Message:
    """Return the daily digest: the events without an alert, highest priority first."""
    more = f" {len(events) - MAX_LINES} more are not shown." if len(events) > MAX_LINES else ""
    by_account = {event.hit.account_key: event for event in events}
    total = sum(float(event.values["arr"] or 0) for event in by_account.values())
    currency = events[0].values["currency"]
    return Message(
        subject=f"{formatting.count(len(events), 'more signal')} for {formatting.weekday(day.today)}",
        summary=f"They affect {currency} {formatting.number(total)} a year, highest priority first.{more}",
        why_now="You get a limited number of alerts a day. The day's other signals are in this digest.",
        evidence=tuple(
            Evidence(
                text=f"{_fill(event, event.rule.file.subject)}"
                f" ({formatting.money(event.values['arr'], currency)} a year)",
                source=event.rule.file.title,
                level=_LEVELS[event.rule.file.kind],
            )
            for event in events[:MAX_LINES]
        ),
        footer=f"Data as of {formatting.day(day.as_of)}.",
    )


def _causes(event: Event, day: Day) -> list[str]:
    """Return the main causes of the health score's fall, compared with the days before its band changed."""
    band_days = event.values["health_band_days"]
    if band_days is None:
        return []
    since = day.as_of - timedelta(days=int(band_days) + BEFORE_BAND_DAYS)
    try:
        change = explanation.of_change(event.hit.account_key, since, day.as_of)
    except ConfigError:  # a score of one of these days can no longer be explained
        return []
    worst = sorted((line for line in change.lines if line.change < 0), key=lambda line: line.change)[:_CAUSES]
    return [
        f"{line.cause}, {line.change:+.1f} points: {line.after or line.kind}; before: {line.before}" for line in worst
    ]


def _subject(event: Event) -> str:
    """Return the signal's subject line, with ARR and severity added after the account's name."""
    text, name = _fill(event, event.rule.file.subject), str(event.values["account_name"])
    weight = [formatting.money(event.values["arr"], event.values["currency"])] if event.values["arr"] else []
    weight += ["high"] if event.hit.is_worse else []
    return f"{name} ({', '.join(weight)}){text[len(name) :]}" if weight and text.startswith(name) else text


def _fill(event: Event, template: str) -> str:
    rule, values = event.rule, event.values
    named = {column: personal_data.personal(values[column]) for column in rule.table.personal}
    return templates.line(template, {**values, **named, **rule.thresholds_of(values["tier"])})


def _amount_at_stake(event: Event) -> str:
    left = event.values["days_to_decision"]
    stake = f"{formatting.money(event.values['arr'], event.values['currency'])} a year"
    return f"{stake}; next decision in {formatting.count(left, 'day')}." if left is not None else f"{stake}."


def _decision(event: Event) -> str:
    on, left = event.values["next_decision_date"], event.values["days_to_decision"]
    return f"{formatting.weekday(on)}, in {formatting.count(left, 'day')}" if on is not None else "none scheduled"
