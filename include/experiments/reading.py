"""Read out an experiment: intention to treat, by family, with an interval that may be looked at every week.

The planned end decides by its fixed interval, once the renewals decided by then are settled. Before it, and without
one, only the confidence sequence may say that a playbook works: a fixed interval that is looked at every week is
wrong in a quarter of all cases without an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from include.experiments import statistics
from include.experiments.statistics import EMPTY, NO_FAMILIES, Arm, Families
from include.scores.statistics import Interval

# works, harms: shown; not_shown: the planned end decides, and its interval includes zero; open: go on; too_early: less
# than 100 settled renewals; no_gain_possible: every held-out renewal was renewed; invalid: the arms do not have the
# planned sizes.
Verdict = Literal["works", "harms", "not_shown", "open", "too_early", "no_gain_possible", "invalid"]
# Chance of stopping a playbook that does no harm.
HARM_ALPHA = 0.01
SAMPLE_RATIO_P = 0.001
# Standardised difference of the arms at assignment (Austin 2009) above which they count as unlike.
UNLIKE = 0.25


@dataclass(frozen=True)
class Design:
    """What the experiment was started with.

    Args:
        hold_out: Share of families without tasks.
        ends_on: The planned end; None for none.
    """

    name: str
    hold_out: float
    horizon_days: int
    smallest_effect: float
    started_on: date
    ends_on: date | None = None


@dataclass(frozen=True)
class Side:
    """One arm in numbers, for what is shown next to the effect.

    Args:
        n_families: Assigned families.
        n_triggered: Families that reached the trigger.
        n_open: Accounts whose renewal is not settled yet.
        n_open_at_end: Those whose decision date is not after the planned end.
        n_without_renewal: Accounts without a renewal within the horizon.
        n_exposed: Settled accounts with at least one completed task.
        target_arr: ARR of the settled renewals.
        renewed_arr: Renewed part of it.
        n_rated: Rated tickets within the horizon.
        n_bad: Tickets rated bad among them.
        minutes: Minutes of calls and meetings per account; None where the CRM states none.
    """

    settled: Arm = EMPTY
    n_families: int = 0
    n_triggered: int = 0
    n_open: int = 0
    n_open_at_end: int = 0
    n_without_renewal: int = 0
    n_exposed: int = 0
    n_contaminated: int = 0
    target_arr: float = 0
    renewed_arr: float = 0
    n_rated: int = 0
    n_bad: int = 0
    minutes: float | None = None


@dataclass(frozen=True)
class Counts:
    """Everything that is read for one experiment.

    Args:
        at_end: The arms of settled renewals that were decided by the planned end; all settled ones without an end.
        families: Sums over the families of the settled renewals.
        unlike: Characteristic -> standardised difference of the arms at assignment.
        n_shared_csms: CSMs with accounts in both arms.
    """

    acted: Side = Side()
    held_out: Side = Side()
    at_end: tuple[Arm, Arm] = (EMPTY, EMPTY)
    families: Families = NO_FAMILIES
    unlike: Mapping[str, float] | None = None
    n_shared_csms: int = 0


@dataclass(frozen=True)
class Reading:
    """The read-out of an experiment on a day.

    Args:
        fixed: The difference with its 95% interval: of the planned end once it is over, else of today.
        sequence: The difference with its 95% confidence sequence; None before 100 settled renewals.
        p: Of Fisher's exact test.
        detectable: The smallest effect that this number of renewals can show; None if none.
        design_effect: By how much families inflate the variance.
        icc: How alike the renewals of a family are.
        sample_ratio_p: Of the test that the arms have the planned sizes.
        bad_ratings: The arms' difference in the share of bad ratings, with its interval; None without ratings.
        warnings: Codes of what limits the reading: ``contaminated``, ``unlike_arms``, ``more_bad_ratings``,
            ``sample_ratio``, ``design_changed``.
    """

    design: Design
    day: date
    counts: Counts
    verdict: Verdict
    fixed: Interval | None
    sequence: Interval | None
    p: float | None
    detectable: float | None
    design_effect: float
    icc: float
    sample_ratio_p: float
    bad_ratings: Interval | None
    warnings: tuple[str, ...] = ()

    @property
    def unlike(self) -> tuple[str, ...]:
        """Characteristics in which the arms differed at assignment."""
        return _unlike(self.counts)

    @property
    def is_over(self) -> bool:
        """Whether the planned end has passed, and every renewal decided by then is settled."""
        return _is_over(self.design, self.counts, self.day)

    @property
    def effect(self) -> Interval | None:
        """The difference with the interval that may be looked at today: before the end, the sequence."""
        return self.fixed if self.is_over else self.sequence


class Last(NamedTuple):
    """The last stored reading of a hold-out that has ended. It is not read again: its held-out accounts get tasks.

    Args:
        n: Settled renewals.
        effect: The difference with the interval that decided; None without settled renewals in both arms.
    """

    day: date
    verdict: Verdict
    n: int
    effect: Interval | None


def read_out(design: Design, counts: Counts, day: date, in_force: Mapping[str, Any] | None = None) -> Reading:
    """Judge an experiment.

    Args:
        day: The newest day with figures.
        in_force: The design in the playbook's file today; None if unknown.
    """
    is_over = _is_over(design, counts, day)
    icc = statistics.intraclass(counts.families)
    n = counts.families.n
    effect = statistics.design_effect(counts.families.squares / n, icc) if n else 1.0
    acted, held_out = (arm.shrunk(effect) for arm in counts.at_end)
    fixed = statistics.difference(acted, held_out)
    sequence = None if is_over else statistics.sequence(acted, held_out)
    harm = None if is_over else statistics.sequence(acted, held_out, HARM_ALPHA)
    ratio = statistics.sample_ratio(counts.acted.n_families, counts.held_out.n_families, design.hold_out)
    bad = _bad_ratings(counts)
    found: list[str] = []
    if ratio < SAMPLE_RATIO_P:
        found.append("sample_ratio")
    if counts.held_out.n_contaminated:
        found.append("contaminated")
    if _unlike(counts):
        found.append("unlike_arms")
    if bad and bad.low > 0:
        found.append("more_bad_ratings")
    if in_force and any(in_force[name] != getattr(design, name) for name in in_force):
        found.append("design_changed")
    return Reading(
        design,
        day,
        counts,
        _verdict(ratio, fixed, sequence, harm, held_out, is_over),
        fixed,
        sequence,
        statistics.fisher(*counts.at_end),
        statistics.detectable(held_out.rate, acted.settled, held_out.settled) if held_out.settled else None,
        effect,
        icc,
        ratio,
        bad,
        tuple(found),
    )


def _verdict(
    ratio: float,
    fixed: Interval | None,
    sequence: Interval | None,
    harm: Interval | None,
    held_out: Arm,
    is_over: bool,
) -> Verdict:
    if ratio < SAMPLE_RATIO_P:
        return "invalid"
    if is_over:
        if fixed is None or fixed.low <= 0 <= fixed.high:
            return "not_shown"
        return "works" if fixed.low > 0 else "harms"
    if harm and harm.high < 0:
        return "harms"
    if sequence is None:
        return "too_early"
    if sequence.low > 0:
        return "works"
    return "no_gain_possible" if held_out.renewed == held_out.settled else "open"


def _unlike(counts: Counts) -> tuple[str, ...]:
    return tuple(name for name, value in (counts.unlike or {}).items() if abs(value) > UNLIKE)


def _is_over(design: Design, counts: Counts, day: date) -> bool:
    n_open = counts.acted.n_open_at_end + counts.held_out.n_open_at_end
    return design.ends_on is not None and day > design.ends_on and not n_open


def _bad_ratings(counts: Counts) -> Interval | None:
    sides = (counts.acted, counts.held_out)
    return statistics.difference(*(Arm(side.n_bad, side.n_rated) for side in sides))
