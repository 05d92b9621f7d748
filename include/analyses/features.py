"""Which features go with renewal: accounts that used one are compared with like accounts that did not.

The row is a renewal 120 days before its decision, and the behaviour is what happened in the twelve weeks before that:
nothing that the decision caused can enter. Like accounts have the same tier, age and total use of the other features.
Even so, this is not a proof: a feature *goes with* renewal, until an experiment says that it causes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from include.analyses import strata
from include.analyses.strata import Effect, Stratum

FEWEST_LOSSES = 30
FALSE_FINDS = 0.1
DRAWS = 500

# goes_with: used, and renewed more often than like accounts. goes_with_losing: less often. not_shown: the adjusted p is
# above 10%, or the interval includes zero. unstable: the two halves of the calendar disagree. too_few: no stratum has
# enough renewals with and without it.
Verdict = Literal["goes_with", "goes_with_losing", "not_shown", "unstable", "too_few"]


@dataclass(frozen=True)
class Behaviour:
    """What is counted for one feature.

    Args:
        strata: Renewals by stratum, those with less than 5 renewals with or without the feature left out.
        halves: The same in the earlier and the later half of the calendar.
        n_dropped: Renewals in the strata that were left out.
        doses: Kept and all renewals, by thirds of the use among those that used it.
        n_begun: Renewals whose account began to use it within the window.
        n_begun_after_contact: Those among them that began within 28 days after a contact.
    """

    name: str
    strata: tuple[Stratum, ...]
    halves: tuple[tuple[Stratum, ...], tuple[Stratum, ...]]
    n_dropped: int = 0
    doses: tuple[tuple[int, int], ...] = ()
    n_begun: int = 0
    n_begun_after_contact: int = 0


@dataclass(frozen=True)
class Finding:
    """One feature, judged.

    Args:
        n_with: Compared renewals with it.
        n_without: Compared renewals without it.
        effect: None if nothing can be compared.
        by_arr: The same difference in renewed ARR.
        p: The larger one of the interval's and of the permutations'.
        p_adjusted: Adjusted for the number of features.
    """

    behaviour: Behaviour
    n_with: int
    n_without: int
    crude: float | None
    effect: Effect | None
    by_arr: float | None
    p: float | None
    p_adjusted: float | None
    verdict: Verdict

    @property
    def name(self) -> str:
        return self.behaviour.name


@dataclass(frozen=True)
class Analysis:
    """All features.

    Args:
        n_renewals: Settled renewals with known use.
        n_losses: Lost among them. With fewer than 30, no feature is judged.
        n_unknown: Settled renewals whose use was not known.
    """

    n_renewals: int = 0
    n_losses: int = 0
    n_unknown: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def is_available(self) -> bool:
        return self.n_losses >= FEWEST_LOSSES


def judge(behaviours: Sequence[Behaviour]) -> tuple[Finding, ...]:
    """Judge all features together: the more are tested, the stronger each must be."""
    effects = [strata.mantel_haenszel(one.strata) for one in behaviours]
    p_values = [
        max(effect.p, strata.permutation_p(one.strata, DRAWS, zlib.crc32(one.name.encode()))) if effect else None
        for one, effect in zip(behaviours, effects, strict=True)
    ]
    tested = [p for p in p_values if p is not None]
    adjusted = iter(strata.adjusted(tested))
    findings = []
    for one, effect, p in zip(behaviours, effects, p_values, strict=True):
        p_adjusted = next(adjusted) if p is not None else None
        findings.append(
            Finding(
                one,
                sum(each.n_with for each in one.strata),
                sum(each.n_without for each in one.strata),
                strata.crude(one.strata),
                effect,
                strata.by_arr(one.strata),
                p,
                p_adjusted,
                _verdict(one, effect, p_adjusted),
            )
        )
    return tuple(sorted(findings, key=lambda found: (found.p_adjusted is None, found.p_adjusted or 0, found.name)))


def _verdict(behaviour: Behaviour, effect: Effect | None, p_adjusted: float | None) -> Verdict:
    if effect is None or p_adjusted is None:
        return "too_few"
    if p_adjusted > FALSE_FINDS or effect.interval.low <= 0 <= effect.interval.high:
        return "not_shown"
    halves = [found.interval.share for half in behaviour.halves if (found := strata.mantel_haenszel(half))]
    if any(share * effect.interval.share <= 0 for share in halves):
        return "unstable"
    return "goes_with" if effect.interval.low > 0 else "goes_with_losing"


def proposal(findings: Iterable[Finding], key_features: Sequence[str]) -> dict[str, list[str]]:
    """Return how ``key_features`` of usage.yaml compares with the findings: to add, confirmed, and without evidence."""
    shown = [found.name for found in findings if found.verdict == "goes_with"]
    return {
        "add": [name for name in shown if name not in key_features],
        "confirmed": [name for name in key_features if name in shown],
        "no_evidence": [name for name in key_features if name not in shown],
    }
