"""The read-out on simulated experiments: its interval covers the truth, and no effect does not work."""

from __future__ import annotations

import pytest

from tests.experiments.simulated import run


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [0.0, 0.5])
def test_interval_covers_the_planted_effect(pairs: float) -> None:
    runs = [run(seed, 0.1, pairs=pairs) for seed in range(400)]
    assert sum(each.is_covered for each in runs) / len(runs) >= 0.93
    assert sum(each.verdict == "works" for each in runs) / len(runs) > 0.8


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [0.0, 0.5])
def test_without_an_effect_weekly_looks_say_works_at_most_in_one_of_twenty(pairs: float) -> None:
    runs = [run(seed, 0.0, pairs=pairs) for seed in range(400)]
    assert sum(each.verdict == "works" for each in runs) / len(runs) <= 0.05
    assert sum(each.peeked for each in runs) > sum(each.verdict == "works" for each in runs)
