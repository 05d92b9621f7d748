"""Write a customer's report from its facts, in the reader's language. A section without data says what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from include.common import formatting
from include.common.texts import N_, gettext, ngettext, pgettext, space
from include.config.customer_report import CustomerReport
from include.config.own_texts import translated
from include.reports.customer import facts
from include.reports.customer.facts import Facts, Row
from include.reports.customer.value import Numbers, delivered, output_per_head
from include.reports.periods import Period

# How far a customer has come in reaching an objective by machine instead of by hand.
_WAYS = {
    "manual": N_("manual"),
    "template": N_("template"),
    "automatic": N_("automatic"),
}


@dataclass(frozen=True)
class Part:
    """A section, as it is stored.

    Args:
        links: Row -> the address that its first cell leads to.
    """

    title: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    numbers: Sequence[int] = ()
    links: dict[str, str] = field(default_factory=dict)


def write(found: Facts, period: Period, settings: CustomerReport, lacks: Sequence[str]) -> list[dict[str, Any]]:
    """Return the sections.

    Args:
        lacks: Entities that no source provides: ticket, objective.
    """
    usage = _usage_known(found.account, period)
    return [
        asdict(part)
        for part in (
            _teams(found, settings, usage),
            _trend(found, period, usage),
            _unused(found, settings, usage),
            _seats(found.account),
            _support(found, lacks),
            _objectives(found, lacks),
            _output(found, period, settings, usage),
            _next(found, settings),
        )
    ]


def _usage_known(account: Row, period: Period) -> str:
    """Return why a period's usage is not or only partly known; "" if it is."""
    first, gap = account["first_day"], account["from_day"]
    if first is None or first > period.last or (gap is not None and gap <= period.first):
        return gettext("Not available: the usage of this period is not recorded.")
    if gap is not None and gap <= period.last:
        return gettext("Usage is recorded up to {day}.", day=formatting.day(gap - timedelta(days=1)))
    if first > period.first:
        return gettext("Usage is recorded from {day} on.", day=formatting.day(first))
    return ""


def _is_missing(found: Facts, usage: str) -> bool:
    """Return whether nothing of a period's usage can be shown: also if the product account was deleted since."""
    return bool(usage) and (found.account["first_day"] is None or not found.teams)


def _teams(found: Facts, settings: CustomerReport, usage: str) -> Part:
    title = gettext("What you use, by team")
    if _is_missing(found, usage):
        return Part(title, usage)
    rows = [
        (
            row["team"] or gettext("no team"),
            formatting.number(row["n_people"]),
            formatting.number(row["n_events"]),
            ", ".join(_feature(name, settings) for name in row["features"]),
        )
        for row in found.teams
    ]
    columns = (gettext("team"), gettext("people"), gettext("actions"), gettext("features"))
    text = usage if rows else gettext("Nobody used the product in this period.")
    return Part(title, text, columns if rows else (), rows, (1, 2) if rows else ())


def _trend(found: Facts, period: Period, usage: str) -> Part:
    title = gettext("Trend against the same weeks of the year before")
    if _is_missing(found, usage):
        return Part(title, usage)
    monday, sunday = facts.weeks_of(period)
    is_compared = not usage and found.account["first_day"] <= monday - facts.YEAR
    now, before = 0, 0
    rows: list[tuple[str, ...]] = []
    for number in range(((sunday - monday).days + 1) // 7):
        week = monday + timedelta(weeks=number)
        people, events = _of_week(found, week, usage)
        then = found.weeks.get(week - facts.YEAR, {}) if is_compared else {}
        now, before = now + (people or 0), before + then.get("n_people", 0)
        unknown = formatting.unknown()
        rows.append(
            (
                formatting.day(week),
                unknown if people is None else formatting.number(people),
                formatting.number(then.get("n_people", 0)) if is_compared else unknown,
                unknown if events is None else formatting.number(events),
                formatting.number(then.get("n_events", 0)) if is_compared else unknown,
            )
        )
    columns = (
        gettext("week from"), gettext("people"), gettext("people a year before"), gettext("actions"),
        gettext("actions a year before"),
    )  # fmt: skip
    if not is_compared:
        text = gettext("Not available: the same weeks of the year before are not recorded.")
        text = usage + space() + text if usage else text
    elif not before:
        text = gettext("Nobody used the product in the same weeks of the year before.")
    else:
        text = gettext("Active people per week, against the year before: {change}.", change=_change(now / before - 1))
    return Part(title, text, columns, rows, (1, 2, 3, 4))


def _of_week(found: Facts, week: date, usage: str) -> tuple[int | None, int | None]:
    """Return people and events of a week; None if not all of its days are recorded."""
    first, gap = found.account["first_day"], found.account["from_day"]
    if usage and (week < first or (gap is not None and gap <= week + timedelta(days=6))):
        return None, None
    row = found.weeks.get(week, {})
    return row.get("n_people", 0), row.get("n_events", 0)


def _unused(found: Facts, settings: CustomerReport, usage: str) -> Part:
    title = gettext("Valuable features that you do not use yet")
    if usage:
        return Part(title, gettext("Not available: usage is not recorded for the whole period."))
    if found.unused is None:
        return Part(title, gettext("Not available: too few customers are comparable."))
    rows: list[tuple[str, ...]] = []
    links = {}
    for name in found.unused:
        known = settings.features.get(name)
        if known is None or not known.why or (known.products and not set(known.products) & set(found.products)):
            continue
        if known.link:
            links[str(len(rows))] = known.link
        rows.append((_feature(name, settings), translated(known.why)))
    if not rows:
        return Part(title, gettext("None: you use what comparable customers find valuable."))
    text = gettext("Comparable customers find these features valuable. Nobody of yours used them in this period.")
    return Part(title, text, (gettext("feature"), gettext("why")), rows, (), links)


def _seats(account: Row) -> Part:
    title = gettext("Seats")
    seats, people = account["paid_seats"], account["active_users_28d"]
    if seats is None:
        return Part(title, gettext("Not available: the number of your seats is not recorded."))
    total = ngettext("You have {n} seat.", "You have {n} seats.", seats)
    if people is None:
        return Part(title, total + space() + gettext("Not available: the number of people who use them."))
    idle = ngettext(
        "{n} seat was idle in the last four weeks of the period.",
        "{n} seats were idle in the last four weeks of the period.",
        max(0, seats - people),
    )
    return Part(title, total + space() + idle)


def _support(found: Facts, lacks: Sequence[str]) -> Part:
    title, account, row = gettext("Support"), found.account, found.support
    if "ticket" in lacks or not account["n_desks"]:
        return Part(title, gettext("Not available: no support tickets are linked to your account."))
    if account["n_unread_desks"]:
        return Part(title, gettext("Not available: the support tickets of this period are not complete yet."))
    opened, solved = row.get("n_opened", 0), row.get("n_solved", 0)
    if not opened:
        reply = gettext("none opened")
    elif row.get("reply_minutes") is None:
        reply = gettext("not available")
    else:
        reply = _duration(row["reply_minutes"])
    rows = [
        (gettext("tickets opened"), formatting.number(opened)),
        (gettext("tickets solved"), formatting.number(solved)),
        (gettext("first response, median"), reply),
    ]
    unanswered = row.get("n_unanswered", 0)
    text = ngettext("{n} ticket has no response yet.", "{n} tickets have no response yet.", unanswered)
    return Part(title, text if unanswered else "", (gettext("what"), gettext("number")), rows, (1,))


def _duration(minutes: float) -> str:
    if minutes < 60:
        return ngettext("{n} minute", "{n} minutes", round(minutes))
    hours = minutes / 60
    return ngettext("{n} hour", "{n} hours", round(hours)) if hours < 48 else formatting.days(round(hours / 24))


def _objectives(found: Facts, lacks: Sequence[str]) -> Part:
    title = gettext("Your objectives")
    if "objective" in lacks:
        return Part(title, gettext("Not available: objectives are not recorded."))
    if not found.objectives:
        return Part(title, gettext("No objectives are agreed yet."))
    numbers = [Numbers(row["baseline"], row["current_value"], row["target_value"]) for row in found.objectives]
    rows = [
        (
            row["name"],
            *(_amount(value, row["unit"]) for value in (one.baseline, one.now, one.target)),
            formatting.percent(one.delivered),
            gettext(_WAYS[row["way"]]) if row["way"] in _WAYS else formatting.unknown(),
        )
        for row, one in zip(found.objectives, numbers, strict=True)
    ]
    columns = (
        gettext("objective"), gettext("baseline"), gettext("now"), pgettext("objective", "target"),
        gettext("delivered"), pgettext("objective", "state"),
    )  # fmt: skip
    total = delivered(numbers)
    text = gettext("Not available: no objective has a baseline, a current value and a target.")
    if total.value is not None:
        share = formatting.percent(total.value)
        text = ngettext(
            "Value delivered: {value} of the way to {n} objective.",
            "Value delivered: {value} of the way to {n} objectives on average.",
            total.n,
            value=share,
        )
        if total.n_without:
            text += space() + ngettext(
                "{n} objective is not counted, because a number is missing.",
                "{n} objectives are not counted, because a number is missing.",
                total.n_without,
            )
    return Part(title, text, columns, rows, (1, 2, 3, 4))


def _output(found: Facts, period: Period, settings: CustomerReport, usage: str) -> Part:
    title = gettext("Output per head")
    if not settings.output:
        return Part(title, gettext("Not available: it is not agreed yet what counts as your output."))
    if usage:
        return Part(title, gettext("Not available: usage is not recorded for the whole period."))
    if found.account["first_day"] > facts.a_year_before(period.first):
        return Part(title, gettext("Not available: the same period of the year before is not recorded."))
    row = found.output
    made = output_per_head(
        row.get("output_before"), row.get("heads_before"), row.get("output") or 0, row.get("heads")
    )  # fmt: skip
    if made is None:
        return Part(title, gettext("Not available: there was no output in one of the two periods."))
    rows = [
        (
            name,
            formatting.number(row[output] or 0),
            formatting.number(row[heads]),
            formatting.decimal(value, 2),
        )
        for name, output, heads, value in (
            (gettext("a year before"), "output_before", "heads_before", made.before),
            (gettext("this period"), "output", "heads", made.after),
        )
    ]
    counted = ", ".join(_feature(name, settings) for name in settings.output)
    text = gettext(
        "{change} against the same period of the year before. Output is the number of actions in: {features}.",
        change=_change(made.change),
        features=counted,
    )
    if made.is_fewer_heads_alone:
        text += space() + gettext("It rose only because fewer people used the product; the output did not grow.")
    columns = (gettext("period"), gettext("output"), gettext("people"), gettext("output per head"))
    return Part(title, text, columns, rows, (1, 2, 3))


def _next(found: Facts, settings: CustomerReport) -> Part:
    rows = [
        (translated(settings.next_steps[row["step"]]), formatting.day(row["due_on"]) if row["due_on"] else "-")
        for row in found.tasks
    ]
    columns = (gettext("step"), gettext("due")) if rows else ()
    return Part(gettext("What we do next"), "" if rows else gettext("Nothing is planned yet."), columns, rows)


def _feature(name: str, settings: CustomerReport) -> str:
    known = settings.features.get(name)
    return translated(known.title) if known else formatting.plain(name)


def _change(share: float) -> str:
    return f"{'+' if share >= 0 else '-'}{formatting.percent(abs(share), 1)}"


def _amount(value: float | None, unit: str | None) -> str:
    if value is None:
        return formatting.unknown()
    shown = formatting.number(value) if value == int(value) else formatting.decimal(value, 2)
    return f"{shown} {unit}" if unit else shown
