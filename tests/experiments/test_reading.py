"""The verdict on a playbook: only the planned end or the confidence sequence may say that it works."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from include.cli import experiments
from include.decide.playbooks.load import load
from include.experiments import plan, words
from include.experiments.overview import Entry
from include.experiments.plan import Past
from include.experiments.reading import Counts, Design, Side, read_out
from include.experiments.statistics import Arm, Families

DAY = date(2026, 11, 30)
DESIGN = Design("expansion", 0.25, 200, 0.1, date(2026, 1, 1))
ENDED = replace(DESIGN, ends_on=date(2026, 11, 1))


def counts(acted: tuple[int, int], held_out: tuple[int, int], **held: float) -> Counts:
    """Counts of families with one renewal each."""
    n = acted[1] + held_out[1]
    return Counts(
        Side(Arm(*acted), n_families=acted[1], n_triggered=acted[1]),
        Side(Arm(*held_out), n_families=held_out[1], n_triggered=held_out[1], **held),
        (Arm(*acted), Arm(*held_out)),
        Families(n, n, n, 0, 1),
    )


def test_planned_end_decides_by_its_fixed_interval() -> None:
    small = read_out(ENDED, counts((153, 180), (45, 60)), DAY)
    assert (small.verdict, small.sequence) == ("not_shown", None)
    assert small.fixed == pytest.approx((0.10, -0.0097, 0.2303), abs=5e-5)
    assert small.detectable == pytest.approx(0.151, abs=5e-4) and small.p == pytest.approx(0.115, abs=5e-4)
    assert read_out(ENDED, counts((1530, 1800), (450, 600)), DAY).verdict == "works"
    assert read_out(ENDED, counts((1350, 1800), (510, 600)), DAY).verdict == "harms"


def test_before_the_end_only_the_sequence_decides() -> None:
    # The fixed interval of these numbers excludes zero already.
    shown = counts((267, 300), (79, 100))
    early = read_out(DESIGN, shown, DAY)
    assert early.fixed and early.fixed.low > 0
    assert early.verdict == "open"
    assert read_out(DESIGN, counts((1530, 1800), (390, 600)), DAY).verdict == "works"
    assert read_out(DESIGN, counts((1170, 1800), (510, 600)), DAY).verdict == "harms"
    assert read_out(DESIGN, counts((60, 70), (20, 25)), DAY).verdict == "too_early"
    assert read_out(DESIGN, counts((172, 180), (60, 60)), DAY).verdict == "no_gain_possible"


def test_command_lists_the_interval_that_may_be_looked_at_today() -> None:
    late = replace(counts((1530, 1800), (450, 600)), at_end=(Arm(267, 300), Arm(79, 100)))
    for design in (DESIGN, ENDED):
        reading = read_out(design, late, DAY)
        effect = reading.fixed if design is ENDED else reading.sequence
        row = experiments._row(Entry(load()["expansion"].file, reading))
        assert effect and (row["low"], row["high"]) == (round(effect.low * 100, 1), round(effect.high * 100, 1))
        assert row["n"] == 400
    early = read_out(DESIGN, counts((60, 70), (20, 25)), DAY)
    assert experiments._row(Entry(load()["expansion"].file, early))["low"] is None


def test_only_the_numbers_of_the_planned_end_count_after_it() -> None:
    late = replace(counts((153, 180), (45, 60)), at_end=(Arm(30, 36), Arm(9, 12)))
    assert read_out(ENDED, late, DAY).fixed == read_out(ENDED, counts((30, 36), (9, 12)), DAY).fixed


def test_planned_end_waits_for_renewals_in_grace() -> None:
    waiting = counts((1530, 1800), (510, 600), n_open_at_end=1)
    found = read_out(ENDED, waiting, DAY)
    assert (found.verdict, found.is_over) == ("open", False)
    assert read_out(ENDED, counts((1530, 1800), (510, 600)), DAY).verdict == "not_shown"


def test_families_widen_the_interval() -> None:
    pairs = replace(counts((153, 180), (45, 60)), families=Families(120, 240, 480, 0, 1))
    found = read_out(ENDED, replace(pairs, families=Families(220, 240, 280, 5, 20)), DAY)
    assert found.icc == 0.3 and found.design_effect == pytest.approx(1 + (280 / 240 - 1) * 0.3)
    assert found.fixed and found.fixed.low < -0.0097


def test_arms_of_the_wrong_size_end_every_claim() -> None:
    found = read_out(DESIGN, counts((1700, 1900), (20, 60)), DAY)
    assert found.verdict == "invalid" and "sample_ratio" in found.warnings


def test_warnings_name_what_limits_the_reading() -> None:
    given = replace(
        counts((153, 180), (45, 60), n_contaminated=2, n_rated=50, n_bad=2),
        unlike={"log_arr": 0.4, "small": 0.0},
    )
    given = replace(given, acted=replace(given.acted, n_rated=100, n_bad=30))
    found = read_out(DESIGN, given, DAY, {"hold_out": 0.5})
    assert found.warnings == ("contaminated", "unlike_arms", "more_bad_ratings", "design_changed")


def test_plan_tells_what_a_year_shows_and_when_it_is_answered() -> None:
    playbook = load()["expansion"].file
    past = Past(365, 180, Families(240, 240, 240, 0, 45, 1))
    found = plan.of(playbook, past, DAY, hold_out=0.25, effect=0.15)
    assert (found.n_per_year, found.base, found.design_effect) == (240, 0.75, 1)
    assert found.detectable == pytest.approx(0.151, abs=5e-4)
    assert found.answered_on and date(2027, 11, 30) < found.answered_on < date(2028, 7, 1)
    assert plan.of(playbook, past, DAY, effect=0.4).reason == "no_room"
    assert plan.of(playbook, None, DAY).reason == "no_history"
    half = plan.of(playbook, replace(past, n_days=182), DAY, hold_out=0.25)
    assert half.n_per_year == pytest.approx(240 * 365 / 182)


@pytest.mark.parametrize("verdict", ["too_early", "open", "not_shown"])
def test_nothing_works_without_a_verdict(verdict: str) -> None:
    given = {
        "too_early": (DESIGN, counts((69, 70), (15, 25))),
        "open": (DESIGN, counts((267, 300), (79, 100))),
        "not_shown": (ENDED, counts((153, 180), (45, 60))),
    }
    reading = read_out(*given[verdict], DAY)
    assert reading.verdict == verdict
    said = words.of(Entry(load()["expansion"].file, reading))
    assert not any("works" in sentence for sentence in said)
