"""The read-out and the plan of an experiment in words. Only a verdict may say that it works."""

from __future__ import annotations

from collections.abc import Iterator

from include.common import formatting
from include.common.texts import N_, gettext, ngettext
from include.decide.playbooks.schema import Playbook
from include.experiments.overview import Entry
from include.experiments.plan import Plan
from include.experiments.reading import Last, Reading
from include.experiments.statistics import FIRST_LOOK
from include.scores.statistics import Interval

_VERDICTS = {
    "works": N_("It works: {effect}."),
    "harms": N_("It harms: {effect}. Stop it."),
    "not_shown": N_("No effect is shown: {effect}."),
    "open": N_("Not decided: {effect}."),
    "too_early": N_("Too early: {n} of {first} settled renewals for a first look."),
    "no_gain_possible": N_("No gain is possible: every held-out renewal was renewed."),
    "invalid": N_("Not valid."),
}
_WARNINGS = {
    "sample_ratio": N_("The arms do not have the planned sizes, so something other than chance assigned accounts."),
    "contaminated": N_("Held-out accounts got the same task by hand: {n_contaminated}."),
    "unlike_arms": N_("The arms differed when they were assigned: {unlike}."),
    "more_bad_ratings": N_("Accounts acted on rated more tickets bad: {bad}."),
    "design_changed": N_("The file was changed after the start. The design of {started_on} counts."),
}
_CHARACTERISTICS = {"log_arr": N_("ARR"), "red_or_yellow": N_("health"), "small": N_("tier")}


def of(entry: Entry) -> tuple[str, ...]:
    """Return what is known about the effect of a playbook or touch, the most important sentence first."""
    why = unmeasured(entry)
    return (why, *shown(entry)) if why else shown(entry)


def unmeasured(entry: Entry) -> str:
    """Return why the effect of a playbook or touch is not measured, and what would measure it; "" if it is."""
    if entry.reading or entry.last:
        return ""
    if not entry.rule.hold_out:
        return gettext("Not measured: no hold-out. `hold_out: 0.25` in the file holds a quarter back for comparison.")
    return gettext("Not measured yet: no family has been assigned. The next decisions assign them.")


def shown(entry: Entry) -> tuple[str, ...]:
    """Return what a hold-out shows or, while it is not measured, could show."""
    if entry.reading:
        return tuple(_reading(entry.reading, has_tasks=isinstance(entry.rule, Playbook)))
    if entry.last:
        return (_last(entry.last),)
    return planned(entry.plan) if entry.plan else ()


def planned(plan: Plan) -> tuple[str, ...]:
    """Return what a hold-out could show."""
    if plan.reason == "no_history":
        return (gettext("History does not tell how many renewals it would act on: simulate the playbook."),)
    if not plan.n_per_year or plan.base is None:
        return (gettext("No renewal of the last year would have counted."),)
    share, effect = formatting.percent(plan.hold_out), _points(plan.effect)
    found = [
        gettext(
            "It would act on {n} renewals a year, of which {share} are renewed anyway.",
            n=formatting.number(round(plan.n_per_year)),
            share=formatting.percent(plan.base),
        )
    ]
    if plan.detectable is None:
        found.append(gettext("With {share} held out, one year shows no effect.", share=share))
    else:
        found.append(
            gettext(
                "With {share} held out, one year shows an effect of {points} points or more.",
                share=share,
                points=_points(plan.detectable),
            )
        )
    if plan.reason == "no_room":
        found.append(gettext("A gain of {points} points is impossible at this rate.", points=effect))
    elif plan.answered_on is None:
        found.append(gettext("A gain of {points} points would take too long to show.", points=effect))
    else:
        found.append(
            ngettext(
                "A gain of {points} points cannot be shown before {day}: it takes {n} renewal.",
                "A gain of {points} points cannot be shown before {day}: it takes {n} renewals.",
                round(plan.n_needed or 0),
                points=effect,
                day=formatting.day(plan.answered_on),
            )
        )
    return tuple(found)


def _reading(reading: Reading, has_tasks: bool) -> Iterator[str]:
    counts, design = reading.counts, reading.design
    acted, held_out = counts.at_end
    yield gettext(
        _VERDICTS[reading.verdict],
        effect=_interval(reading.effect),
        n=round(acted.settled + held_out.settled),
        first=FIRST_LOOK,
    )
    if reading.fixed and not reading.is_over:
        yield gettext(
            "Today's difference: {effect}; the interval counts only at the planned end.",
            effect=_interval(reading.fixed),
        )
    if reading.detectable is not None and reading.verdict not in ("works", "harms", "invalid"):
        yield gettext(
            "This number of renewals shows an effect of {points} points at 80% power.",
            points=_points(reading.detectable),
        )
    yield gettext(
        "Renewed: {acted} of {n_acted} acted on, {held_out} of {n_held_out} held out; {n_open} not settled.",
        acted=round(acted.renewed),
        n_acted=round(acted.settled),
        held_out=round(held_out.renewed),
        n_held_out=round(held_out.settled),
        n_open=counts.acted.n_open + counts.held_out.n_open,
    )
    if counts.acted.target_arr and counts.held_out.target_arr:
        yield gettext(
            "Renewed ARR: {acted} acted on, {held_out} held out.",
            acted=formatting.percent(counts.acted.renewed_arr / counts.acted.target_arr),
            held_out=formatting.percent(counts.held_out.renewed_arr / counts.held_out.target_arr),
        )
    if has_tasks and (n := round(counts.acted.settled.settled)):
        yield gettext("With at least one completed task: {n_done} of {n}.", n_done=counts.acted.n_exposed, n=n)
    if not reading.is_over:
        end = gettext("Planned end: {day}.", day=formatting.day(design.ends_on)) if design.ends_on else ""
        yield end or gettext("No planned end (experiment.ends_on in its file).")
    for warning in reading.warnings:
        yield gettext(
            _WARNINGS[warning],
            n_contaminated=counts.held_out.n_contaminated,
            unlike=", ".join(gettext(_CHARACTERISTICS[name]) for name in sorted(reading.unlike)),
            bad=_interval(reading.bad_ratings),
            started_on=formatting.day(design.started_on),
        )


def _last(last: Last) -> str:
    verdict = gettext(_VERDICTS[last.verdict], effect=_interval(last.effect), n=last.n, first=FIRST_LOOK)
    day = formatting.day(last.day)
    return gettext("The hold-out has ended. Last read on {day}: {verdict}", day=day, verdict=verdict)


def _interval(found: Interval | None) -> str:
    if found is None:
        return gettext("no settled renewals in both arms")
    share, low, high = (formatting.signed(value * 100, 1) for value in found)
    return gettext("{share} points ({low} to {high})", share=share, low=low, high=high)


def _points(share: float) -> str:
    return formatting.decimal(share * 100, 1)
