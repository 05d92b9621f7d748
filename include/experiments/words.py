"""The read-out and the plan of an experiment in words. Only a verdict may say that a playbook works."""

from __future__ import annotations

from collections.abc import Iterator

from include.common import formatting
from include.experiments.overview import Entry
from include.experiments.plan import Plan
from include.experiments.reading import Reading
from include.experiments.statistics import FIRST_LOOK
from include.scores.statistics import Interval

_WARNINGS = {
    "sample_ratio": "The arms do not have the planned sizes, so something other than chance assigned accounts.",
    "contaminated": "Held-out accounts got the same task by hand: {n_contaminated}.",
    "unlike_arms": "The arms differed when they were assigned: {unlike}.",
    "more_bad_ratings": "Accounts with tasks rated more tickets bad: {bad}.",
    "design_changed": "The file was changed after the start. The design of {started_on} counts.",
}


def of(entry: Entry) -> tuple[str, ...]:
    """Return what is known about a playbook's effect, the most important sentence first."""
    if entry.reading:
        return tuple(_reading(entry.reading))
    if entry.plan is None:
        return ("Not measured yet.",)
    if entry.playbook.hold_out:
        return ("Not measured yet: no family has been assigned.", *planned(entry.plan))
    return ("Not measured: the playbook has no hold-out (hold_out in its file).", *planned(entry.plan))


def planned(plan: Plan) -> tuple[str, ...]:
    """Return what a hold-out could show."""
    if plan.reason == "no_history":
        return ("History does not tell how many renewals it would act on: simulate the playbook.",)
    if not plan.n_per_year or plan.base is None:
        return ("No renewal of the last year would have counted.",)
    share = f"{plan.hold_out:.0%} held out"
    found = [f"It would act on {plan.n_per_year:.0f} renewals a year, of which {plan.base:.0%} are renewed anyway."]
    if plan.detectable is None:
        found.append(f"With {share}, one year shows no effect.")
    else:
        found.append(f"With {share}, one year shows an effect of {_points(plan.detectable)} points or more.")
    if plan.reason == "no_room":
        found.append(f"A gain of {_points(plan.effect)} points is impossible at this rate.")
    elif plan.answered_on is None:
        found.append(f"A gain of {_points(plan.effect)} points would take too long to show.")
    else:
        found.append(
            f"A gain of {_points(plan.effect)} points cannot be shown before {formatting.day(plan.answered_on)}:"
            f" it takes {formatting.count(round(plan.n_needed or 0), 'renewal')}."
        )
    return tuple(found)


def _reading(reading: Reading) -> Iterator[str]:
    counts, design = reading.counts, reading.design
    acted, held_out = counts.at_end if reading.is_over else (counts.acted.settled, counts.held_out.settled)
    yield _VERDICTS[reading.verdict].format(
        effect=_interval(reading.fixed) if reading.is_over else _interval(reading.sequence),
        n=round(acted.settled + held_out.settled),
        first=FIRST_LOOK,
    )
    if reading.fixed and not reading.is_over:
        yield f"Today's difference: {_interval(reading.fixed)}; the interval counts only at the planned end."
    if reading.detectable is not None and reading.verdict not in ("works", "harms", "invalid"):
        yield f"This number of renewals shows an effect of {_points(reading.detectable)} points at 80% power."
    yield (
        f"Renewed: {acted.renewed:.0f} of {acted.settled:.0f} with tasks, {held_out.renewed:.0f} of"
        f" {held_out.settled:.0f} held out; {counts.acted.n_open + counts.held_out.n_open} not settled."
    )
    if counts.acted.target_arr and counts.held_out.target_arr:
        yield (
            f"Renewed ARR: {counts.acted.renewed_arr / counts.acted.target_arr:.0%} with tasks,"
            f" {counts.held_out.renewed_arr / counts.held_out.target_arr:.0%} held out."
        )
    if counts.acted.settled.settled:
        yield f"With at least one completed task: {counts.acted.n_exposed} of {counts.acted.settled.settled:.0f}."
    if not reading.is_over:
        yield (
            f"Planned end: {formatting.day(design.ends_on)}."
            if design.ends_on
            else "No planned end (experiment.ends_on)."
        )
    for warning in reading.warnings:
        yield _WARNINGS[warning].format(
            n_contaminated=counts.held_out.n_contaminated,
            unlike=", ".join(sorted(counts.unlike or {})).replace("_", " "),
            bad=_interval(reading.bad_ratings),
            started_on=formatting.day(design.started_on),
        )


_VERDICTS = {
    "works": "It works: {effect}.",
    "harms": "It harms: {effect}. Stop it.",
    "not_shown": "No effect is shown: {effect}.",
    "open": "Not decided: {effect}.",
    "too_early": "Too early: {n} of {first} settled renewals for a first look.",
    "no_gain_possible": "No gain is possible: every held-out renewal was renewed.",
    "invalid": "Not valid.",
}


def _interval(found: Interval | None) -> str:
    if found is None:
        return "no settled renewals in both arms"
    return f"{_signed(found.share)} points ({_signed(found.low)} to {_signed(found.high)})"


def _signed(share: float) -> str:
    return f"{share * 100:+.1f}"


def _points(share: float) -> str:
    return f"{share * 100:.1f}"
