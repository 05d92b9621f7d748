"""How rows are classified as lost, stale, doubled or ghosts."""

from __future__ import annotations

from benchmarks.stages.faults import EDITED, judged

TRUTH = {"live_ids": [1, 2, 3]}


def test_equal_tables_have_no_faults() -> None:
    rows = [("1", "a", False), ("2", EDITED, False), ("3", None, False), ("4", "gone", True)]
    assert judged(rows, TRUTH, {"2", "4"}) == {"lost": 0, "stale": 0, "doubled": 0, "ghosts": 0}


def test_each_difference_is_counted_once_under_its_name() -> None:
    rows = [("1", "a", True), ("2", "a", False), ("2", "a", False), ("9", "a", False)]
    assert judged(rows, TRUTH, {"2"}) == {"lost": 2, "stale": 1, "doubled": 1, "ghosts": 1}
