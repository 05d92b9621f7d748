"""The pagination shared by HTTP sources, with in-memory steps."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from include.common.errors import ConfigError, Unavailable
from include.connectors.base import Page, Position, Record, Request
from include.connectors.pagination import LazyRecords, all_by_cursor, by_cursor, check_keyset, read_pages
from include.connectors.positions import VERSION
from include.http.loops import Loops


def record(one: str) -> Record:
    return Record(one, {}, {}, None)


def steps(*places: Position):
    """Return a step function that moves from place to place and yields one record named after the place."""
    order = iter(places)
    return lambda here: ([record(str(here["n"]))], next(order))


def run(step, **asked) -> list[Page]:
    request = Request(datetime(2026, 1, 1, tzinfo=UTC), **asked)
    return list(read_pages("rows", request, start=lambda done: {"phase": "go", "n": 0}, step=step))


DONE = {"phase": "done", "at": 1000}


def test_cursor_list_ends_with_the_last_page() -> None:
    pages = {None: (["a"], "2"), "2": (["b"], None)}
    assert by_cursor({"phase": "list", "after": None}, pages.__getitem__, DONE) == (
        ["a"],
        {"phase": "list", "after": "2"},
    )
    assert by_cursor({"phase": "list", "after": "2"}, pages.__getitem__, DONE) == (["b"], DONE)
    assert list(all_by_cursor(pages.__getitem__)) == [["a"], ["b"]]


def test_query_with_a_count_but_no_rows_is_an_error() -> None:
    check_keyset("Vendor", ["a"], 2, "")
    check_keyset("Vendor", [], 0, "a")
    with pytest.raises(Unavailable, match="Vendor reports 2 more matching rows, but returned none after a"):
        check_keyset("Vendor", [], 2, "a")


def test_pages_have_marks_and_the_last_one_the_next_position() -> None:
    pages = run(steps({"phase": "go", "n": 1}, DONE))
    assert [page.mark for page in pages] == [{"v": VERSION, "phase": "go", "n": 1}, {"v": VERSION, **DONE}]
    assert [page.next_position for page in pages] == [None, {"v": VERSION, **DONE}]
    assert pages[-1].read_until == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_mark_and_mid_position_both_resume() -> None:
    middle = {"v": VERSION, "phase": "go", "n": 7}
    for stored in ({"mark": middle}, {"position": middle}):
        assert [one.id for page in run(steps(DONE), **stored) for one in page.records] == ["7"]


def test_mark_at_the_end_yields_only_the_end() -> None:
    (page,) = run(steps(), mark={"v": VERSION, **DONE})
    assert (page.records, page.next_position) == ([], {"v": VERSION, **DONE})


def test_position_at_the_end_starts_again() -> None:
    assert [one.id for page in run(steps(DONE), position={"v": VERSION, **DONE}) for one in page.records] == ["0"]


@pytest.mark.parametrize("places", [[0], [1, 1], [1, 2, 1]])
def test_repeated_place_ends_pagination(places: list[int]) -> None:
    with pytest.raises(Unavailable, match="rows: the vendor returned a cursor that it had returned before"):
        run(steps(*({"phase": "go", "n": n} for n in places), DONE))


def test_page_counter_alone_is_not_progress() -> None:
    with pytest.raises(Unavailable, match="returned a cursor that it had returned before"):
        run(steps({"phase": "go", "n": 1, "pages": 1}, {"phase": "go", "n": 1, "pages": 2}, DONE))


@pytest.mark.parametrize("error", [KeyError("id"), TypeError("null"), AttributeError("x"), ValueError("int")])
def test_response_of_another_shape_is_a_readable_error(error: Exception) -> None:
    def step(here: Position):
        raise error

    with pytest.raises(Unavailable, match="rows: unexpected response format") as caught:
        run(step)
    assert caught.value.__cause__ is error


def test_own_errors_pass_through() -> None:
    def step(here: Position):
        raise ConfigError("wrong mapping")

    with pytest.raises(ConfigError, match="wrong mapping"):
        run(step)


def test_full_read_ignores_an_unknown_position() -> None:
    """It is the cure that the error suggests."""
    newer = {"v": 99, "phase": "done", "at": "?"}
    with pytest.raises(ConfigError, match="version 99"):
        run(steps(DONE), position=newer)
    pages = run(steps(DONE), position=newer, full=True)
    assert [one.id for page in pages for one in page.records] == ["0"]


def test_lazy_records_are_built_on_each_pass_and_malformed_ones_reported() -> None:
    later = LazyRecords("Vendor's rows", ["a", "b"], record)
    assert len(later) == 2 and list(later) == list(later) == [record("a"), record("b")]
    assert record("b") in later
    with pytest.raises(Unavailable, match=r"Vendor's rows: unexpected response format .KeyError"):
        list(LazyRecords("Vendor's rows", [{}], lambda row: record(row["id"])))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (lambda n: [], "empty pages in a row"),
        (lambda n: [record("a"), record("b")], "without a new record"),
        (lambda n: [record("ab"[n % 2])], "without a new record"),
        (lambda n: LazyRecords("rows", [{"id": 1}], record), "without a new record"),
        (lambda n: LazyRecords("rows", [msgspec.Raw(b"{}")], record), "without a new record"),
    ],
)
def test_new_places_without_new_records_end_pagination(rows, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        run(lambda here: (rows(here["n"]), here | {"n": here["n"] + 1}))


def test_another_phase_can_revisit_the_same_records() -> None:
    places = ({"phase": f"{n // 9}", "n": n} for n in range(1, 40))
    pages = run(lambda here: ([record("a")], next(places, DONE)))
    assert len(pages) == 40


def test_loop_within_a_page_ends() -> None:
    loops = Loops()
    for n in range(2):
        loops.check("list", None, "2", ["a"])
        loops.check("list", "2", None, ["b"])
        assert n < 2, "the same list may be gone through again"
    loops.check("list", None, "2", ["a"])
    with pytest.raises(Unavailable, match="list: the vendor returned a cursor that it had returned before"):
        loops.check("list", "2", "2", ["b"])
