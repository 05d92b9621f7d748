"""The arithmetic of the benchmarks. A mistake here would flatter the results."""

from __future__ import annotations

from benchmarks.rows import Row, cells, markdown, ratio, verdicts

FLOOR = Row("pull", "floor", n=1000, seconds=(1.0, 3.0, 1.2))
OURS = Row("pull", "ours", n=1000, seconds=(2.0, 2.4, 2.6), peak_mb=90, against="floor", wanted=0.5, most_mb=80)


def test_rate_uses_the_median_to_ignore_a_busy_moment() -> None:
    assert FLOOR.typical == 1.2
    assert round(FLOOR.rate, 1) == 833.3
    assert round(FLOOR.spread, 3) == round(2.0 / 1.2, 3)


def test_ratio_compares_rates_only_within_a_case() -> None:
    other = Row("another", "floor", n=1000, seconds=(100.0,))
    assert ratio(OURS, [other, FLOOR, OURS]) == 0.5
    assert ratio(OURS, [other, OURS]) is None
    assert ratio(FLOOR, [FLOOR, OURS]) is None


def test_rows_of_other_sizes_are_compared_by_rate_not_time() -> None:
    twice = Row("pull", "ours", n=2000, seconds=(2.4,), against="floor")
    assert ratio(twice, [FLOOR, twice]) == 1.0


def test_verdicts_name_missed_targets() -> None:
    met, missed = verdicts([FLOOR, OURS])
    assert met.is_met and "0.50 of floor" in met.text
    assert not missed.is_met and "90 MB" in missed.text


def test_unmeasured_target_is_not_met() -> None:
    failed = Row("pull", "ours", against="floor", wanted=0.5, most_mb=250)
    assert [verdict.is_met for verdict in verdicts([FLOOR, failed])] == [False, False]


def test_table_omits_empty_columns() -> None:
    header, lines = cells([Row("ties", "ours", figures={"lost": 0}), Row("ties", "other", figures={"lost": 1201})])
    assert header == ["case", "who", "lost"]
    assert lines == [["ties", "ours", "0"], ["ties", "other", "1,201"]]
    assert markdown([FLOOR]).splitlines()[2].startswith("| pull | floor | 1,000 | 1.20 | 833 |")
