"""Small pages are landed together without losing any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.common.errors import Unavailable
from include.connectors.base import Page
from include.ingest import pull
from tests.fixtures.fake_source import record


def pages(*sizes: int, ends: bool = True) -> Iterator[Page]:
    """Yield pages of the given sizes, then end or fail."""
    for number, size in enumerate(sizes):
        is_last = ends and number == len(sizes) - 1
        records = [record(f"{number}.{row}") for row in range(size)]
        yield Page(records, {"at": number}, {"at": "end"} if is_last else None)
    if not ends:
        raise Unavailable("gone")


def test_small_pages_are_batched_up_to_the_minimum_size() -> None:
    found = list(pull.combine_pages(pages(2, 2, 2, 1, 0), 4))
    assert [[one.id for one in page.records] for page in found] == [["0.0", "0.1", "1.0", "1.1"], ["2.0", "2.1", "3.0"]]
    assert [page.mark for page in found] == [{"at": 1}, {"at": 4}]
    assert found[-1].next_position == {"at": "end"}


def test_pages_read_before_a_failure_are_yielded_first() -> None:
    gathering = pull.combine_pages(pages(2, 1, ends=False), 100)
    assert len(next(gathering).records) == 3
    with pytest.raises(Unavailable):
        next(gathering)


def test_old_page_is_yielded_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "_LAND_SECONDS", 0.0)
    assert [len(page.records) for page in pull.combine_pages(pages(2, 2, 2), 100)] == [2, 2, 2]
