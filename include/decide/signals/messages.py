"""What a manager reads of signals: one alert with its figures and their sources, or the day's list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from include.common import formatting
from include.decide.context import Day
from include.decide.recipients import Recipient, calendar_of
from include.decide.rules import text_templates
from include.decide.signals.evaluate import Hit
from include.decide.signals.load import Loaded
from include.outbox import links, personal_data
from include.outbox.message import Evidence, Fact, Level, Message

if TYPE_CHECKING:
    from include.decide.signals.events import Event

MAX_LINES = 40
WOKE = "due:"  # the start of the step that ends a rest; the day follows


_LEVELS: dict[str, Level] = {"risk": "risk", "opportunity": "good", "data": "unknown"}


def alert(loaded: Loaded, hit: Hit, step: str, to: Recipient, day: Day) -> Message:
    """Return what a manager is told when a signal opens or becomes worse."""
    signal, values = loaded.signal, hit.values
    zone = ZoneInfo(calendar_of(values["region"], day.settings).zone)
    lines = [line for template in signal.evidence if (line := _fill(loaded, hit, template))]
    level = _LEVELS[signal.kind]
    became = "It has become worse." if step == "worse" else "It holds since today."
    if step.startswith(WOKE):
        became = "Your snooze ended today and the condition still applies."
    return Message(
        headline=headline(loaded, hit),
        summary=f"{lines[0] if lines else signal.title} {_stake(hit)}",
        notes=(to.note,) if to.note else (),
        facts=(
            Fact(label="Customer", value=f"{values['account_name']} ({values['tier'] or 'no tier'})"),
            Fact(label="At stake", value=f"{formatting.money(values['arr'], values['currency'])} a year (ARR)"),
            Fact(label="Next decision", value=_decision(hit)),
            Fact(label="Manager", value=values["owner_name"] or "none in the CRM"),
        ),
        why_now=f"{signal.title}: {signal.why} {became}",
        evidence=tuple(Evidence(text=line, source=_sources(loaded, hit, day, zone), level=level) for line in lines),
        next_steps=tuple(_fill(loaded, hit, template) for template in signal.next_steps),
        links=links.account(day.settings, hit.values["crm_source"], hit.values["crm_account_id"]),
        footer=f"Signal {signal.name} {signal.version}; tables of {formatting.day(day.as_of)}. Times are {zone.key}.",
    )


def digest(rest: Sequence[Event], day: Day) -> Message:
    """Return the day's list of what did not come as an alert of its own, the weightiest first."""
    shown = rest[:MAX_LINES]
    more = f" {formatting.count(len(rest) - MAX_LINES, 'further one')} not shown." if len(rest) > MAX_LINES else ""
    total = sum(float(event.hit.values["arr"] or 0) for event in _once_per_account(rest))
    currency = rest[0].hit.values["currency"]
    lines = []
    for event in shown:
        level = _LEVELS[event.loaded.signal.kind]
        stake = formatting.money(event.hit.values["arr"], currency)
        lines.append(
            Evidence(
                text=f"{headline(event.loaded, event.hit)} ({stake} a year)",
                source=event.loaded.signal.title,
                level=level,
            )
        )
    return Message(
        headline=f"{formatting.count(len(rest), 'further signal')} of {formatting.weekday(day.today)}",
        summary=f"They concern {currency} {formatting.number(total)} a year; the weightiest come first.{more}",
        why_now="You get at most a few alerts a day; everything else of the day is in this one list.",
        evidence=tuple(lines),
        footer=f"Tables of {formatting.day(day.as_of)}.",
    )


def headline(loaded: Loaded, hit: Hit) -> str:
    """Return a signal's headline for one subject."""
    return _fill(loaded, hit, loaded.signal.headline)


def _once_per_account(rest: Sequence[Event]) -> list[Event]:
    return list({event.hit.account_key: event for event in rest}.values())


def _fill(loaded: Loaded, hit: Hit, template: str) -> str:
    named = {column: personal_data.personal(hit.values[column]) for column in loaded.table.personal}
    return text_templates.fill(template, {**hit.values, **named, **loaded.signal.thresholds_of(hit.values["tier"])})


def _stake(hit: Hit) -> str:
    left = hit.values["days_to_decision"]
    stake = f"{formatting.money(hit.values['arr'], hit.values['currency'])} a year"
    return f"{stake}; next decision in {formatting.count(left, 'day')}." if left is not None else f"{stake}."


def _decision(hit: Hit) -> str:
    on, left = hit.values["next_decision_date"], hit.values["days_to_decision"]
    return f"{formatting.weekday(on)}, in {formatting.count(left, 'day')}" if on is not None else "none in sight"


def _sources(loaded: Loaded, hit: Hit, day: Day, zone: ZoneInfo) -> str:
    kinds = sorted(loaded.kinds) or ["crm"]
    return "; ".join(day.readiness.read_up_to(kind, hit.values["crm_source"], zone) for kind in kinds)
