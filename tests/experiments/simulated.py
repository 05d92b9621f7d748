"""Simulated experiments, to judge the read-out: families arrive every week, and it is read out every week.

``python -m tests.experiments.simulated`` prints the figures of docs/reference/analyses.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from include.experiments.reading import Counts, Design, Side, read_out
from include.experiments.statistics import Arm, Families

START = date(2026, 1, 5)


class Run(NamedTuple):
    """One simulated experiment.

    Args:
        is_covered: Whether the interval of the planned end contains the true effect.
        early: The first week in which the sequence says "works"; None for never.
        verdict: At the planned end; the verdict of the sequence if that came earlier.
        peeked: Whether a fixed interval that is looked at every week would have excluded zero on the good side.
    """

    is_covered: bool
    early: int | None
    verdict: str
    peeked: bool


def run(
    seed: int,
    effect: float,
    *,
    n: int = 1200,
    weeks: int = 26,
    base: float = 0.75,
    share: float = 0.25,
    pairs: float = 0.0,
) -> Run:
    """Simulate one experiment.

    Args:
        n: Families by the planned end.
        base: Renewal rate without the playbook.
        share: Share of families held out.
        pairs: Share of families with two renewals, of which the second copies the first in three of ten cases.
    """
    rng = np.random.default_rng(seed)
    held_out = rng.random(n) < share
    rate = np.where(held_out, base, base + effect)
    first = rng.random(n) < rate
    second = np.where(rng.random(n) < 0.3, first, rng.random(n) < rate)
    size = np.where(rng.random(n) < pairs, 2, 1)
    renewed = first.astype(int) + np.where(size == 2, second, 0)
    end = START + timedelta(weeks=weeks)
    early, peeked = None, False
    for week in range(1, weeks):
        day = START + timedelta(weeks=week)
        upto = round(n * week / weeks)
        found = read_out(
            Design("p", share, 200, 0.1, START, end), _counts(held_out[:upto], renewed[:upto], size[:upto]), day
        )
        peeked = peeked or bool(found.fixed and found.fixed.low > 0)
        if early is None and found.verdict == "works":
            early = week
    final = read_out(
        Design("p", share, 200, 0.1, START, end), _counts(held_out, renewed, size), end + timedelta(days=1)
    )
    assert final.fixed
    verdict = "works" if early else final.verdict
    return Run(final.fixed.low <= effect <= final.fixed.high, early, verdict, peeked or final.fixed.low > 0)


def _counts(held_out: np.ndarray, renewed: np.ndarray, size: np.ndarray) -> Counts:
    sides, arms, within, between = [], [], 0.0, 0.0
    for chosen in (~held_out, held_out):
        k, m = renewed[chosen], size[chosen]
        arms.append(Arm(int(k.sum()), int(m.sum())))
        sides.append(Side(arms[-1], n_families=int(chosen.sum())))
        if m.sum():
            within += float((k - k * k / m).sum())
            between += float((k * k / m).sum() - k.sum() ** 2 / m.sum())
    families = Families(len(size), int(size.sum()), float((size * size).sum()), within, between)
    return Counts(*sides, (arms[0], arms[1]), families)


def figures(seeds: int) -> Iterator[str]:
    for effect, pairs in ((0.0, 0.0), (0.0, 0.5), (0.1, 0.0), (0.1, 0.5), (0.15, 0.0)):
        runs = [run(seed, effect, pairs=pairs) for seed in range(seeds)]
        works = sum(each.verdict == "works" for each in runs) / seeds
        yield (
            f"effect {effect:.2f}, families of two {pairs:.0%}: interval covers"
            f" {sum(each.is_covered for each in runs) / seeds:.1%}, works {works:.1%}, of which early"
            f" {sum(each.early is not None for each in runs) / seeds:.1%}; a fixed interval looked at weekly"
            f" {sum(each.peeked for each in runs) / seeds:.1%}"
        )


if __name__ == "__main__":
    for line in figures(1000):
        print(line)
