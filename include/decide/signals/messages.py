"""Write the messages of signals: an alert with its figures and their sources, or the daily digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from include.common import formatting, texts
from include.common.errors import ConfigError
from include.common.texts import gettext, ngettext
from include.common.words import word
from include.config import templates
from include.config.own_texts import translated
from include.decide.context import Day
from include.decide.recipients import zone_of
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
    with day.reading(event.to.email):
        return _alert(event, day)


def _alert(event: Event, day: Day) -> Message:
    signal, values = event.rule.file, event.values
    title = translated(signal.title)
    zone = ZoneInfo(zone_of(event.to.email, values["region"], day.settings))
    lines = [line for template in signal.evidence if (line := _fill(event, template))]
    lines += _causes(event, day) if signal.explains_health else []
    kinds = sorted(event.rule.kinds) or ["crm"]
    source = "; ".join(day.readiness.source_label(kind, values["crm_source"], zone) for kind in kinds)
    trend = gettext("It got worse.") if event.step == "worse" else gettext("New today.")
    if event.step.startswith(SNOOZE_ENDED):
        trend = gettext("Your snooze ended today and the condition still applies.")
    tier = word(values["tier"]) if values["tier"] else gettext("no tier")
    amount = formatting.money(values["arr"], values["currency"])
    return Message(
        subject=_subject(event),
        summary=texts.space().join((lines[0] if lines else title, _amount_at_stake(event))),
        notes=(event.to.note,) if event.to.note else (),
        facts=(
            Fact(label=gettext("Customer"), value=f"{values['account_name']} ({tier})"),
            Fact(label=gettext("At stake"), value=gettext("{amount} a year (ARR)", amount=amount)),
            Fact(label=gettext("Next decision"), value=_decision(event)),
            Fact(label=gettext("CSM"), value=values["owner_name"] or gettext("none in the CRM")),
        ),
        why_now=gettext("{signal}: {why} {trend}", signal=title, why=translated(signal.why), trend=trend),
        evidence=tuple(Evidence(text=line, source=source, level=_LEVELS[signal.kind]) for line in lines),
        next_steps=tuple(_fill(event, template) for template in signal.next_steps),
        links=links.account(day.settings, values["crm_source"], values["crm_account_id"]),
        footer=gettext(
            "Signal {signal}; data as of {day}. All times in {zone}.",
            signal=event.rule.version,
            day=formatting.day(day.as_of),
            zone=zone.key,
        ),
    )


def digest(events: Sequence[Event], day: Day) -> Message:
    """Return the daily digest: the events without an alert, highest priority first. All have the same reader."""
    with day.reading(events[0].to.email):
        return _digest(events, day)


def _digest(events: Sequence[Event], day: Day) -> Message:
    by_account = {event.hit.account_key: event for event in events}
    total = sum((Decimal(event.values["arr"] or 0) for event in by_account.values()), Decimal(0))
    currency = events[0].values["currency"]
    sentences = [
        gettext("They affect {amount} a year, highest priority first.", amount=formatting.money(total, currency))
    ]
    if len(events) > MAX_LINES:
        sentences.append(ngettext("{n} more is not shown.", "{n} more are not shown.", len(events) - MAX_LINES))
    return Message(
        subject=ngettext(
            "{n} more signal for {day}", "{n} more signals for {day}", len(events), day=formatting.weekday(day.today)
        ),
        summary=texts.space().join(sentences),
        why_now=gettext("You get a limited number of alerts a day. The day's other signals are in this digest."),
        evidence=tuple(
            Evidence(
                text=gettext(
                    "{text} ({amount} a year)",
                    text=_fill(event, event.rule.file.subject),
                    amount=formatting.money(event.values["arr"], currency),
                ),
                source=translated(event.rule.file.title),
                level=_LEVELS[event.rule.file.kind],
            )
            for event in events[:MAX_LINES]
        ),
        footer=gettext("Data as of {day}.", day=formatting.day(day.as_of)),
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
        gettext(
            "{cause}, {change} points: {now}; before: {before}",
            cause=line.cause,
            change=formatting.signed(line.change, 1),
            now=line.after or line.kind,
            before=line.before,
        )
        for line in worst
    ]


def _subject(event: Event) -> str:
    """Return the signal's subject line, with ARR and severity added after the account's name."""
    text, name = _fill(event, event.rule.file.subject), str(event.values["account_name"])
    weight = [formatting.money(event.values["arr"], event.values["currency"])] if event.values["arr"] else []
    weight += [gettext("high")] if event.hit.is_worse else []
    return f"{name} ({', '.join(weight)}){text[len(name) :]}" if weight and text.startswith(name) else text


def _fill(event: Event, template: str) -> str:
    rule, values = event.rule, event.values
    named = {column: personal_data.personal(values[column]) for column in rule.table.personal}
    return templates.line(translated(template), {**values, **named, **rule.thresholds_of(values["tier"])})


def _amount_at_stake(event: Event) -> str:
    left = event.values["days_to_decision"]
    amount = formatting.money(event.values["arr"], event.values["currency"])
    if left is None:
        return gettext("{amount} a year.", amount=amount)
    return ngettext(
        "{amount} a year; next decision in {n} day.", "{amount} a year; next decision in {n} days.", left, amount=amount
    )


def _decision(event: Event) -> str:
    on, left = event.values["next_decision_date"], event.values["days_to_decision"]
    if on is None:
        return gettext("none scheduled")
    return ngettext("{day}, in {n} day", "{day}, in {n} days", left, day=formatting.weekday(on))
