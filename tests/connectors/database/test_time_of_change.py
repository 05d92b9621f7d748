"""Unsuitable ``updated_at`` values: future times, plain dates, null. No such row is skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.connectors.database import source as database
from tests.connectors.database.test_source import NOW, engine, files, ids, put, read, source_of

__all__ = ["engine", "files"]
NO_BOUNDS = "select id, n as n_events, day, updated_at from usage"
AHEAD = NOW + timedelta(days=200)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())


@pytest.mark.parametrize("names_until", [True, False])
def test_future_dated_row_is_read_every_time_and_does_not_move_the_cursor(
    engine: sa.Engine, files: Path, names_until: bool
) -> None:
    if not names_until:
        (files / "usage_day.sql").write_text(NO_BOUNDS)
    put(engine, 1, AHEAD)
    put(engine, 2)
    put(engine, 3, datetime(9999, 12, 31, tzinfo=UTC))
    source = source_of(engine.url)
    pages = read(source)
    assert set(ids(pages)) == {"1", "2", "3"}
    assert pages[-1].read_until == NOW - timedelta(minutes=5)
    seen = {record.id: record for page in pages for record in page.records}
    assert seen["1"].source_at is None and seen["1"].values["updated_at"] is None
    assert seen["2"].source_at == NOW - timedelta(hours=1)

    put(engine, 1, AHEAD, n=7)
    put(engine, 4, NOW)
    later = read(source, pages[-1].next_position, NOW + timedelta(minutes=30))
    assert set(ids(later)) == {"1", "3", "4"} | {"2"}
    assert next(r for page in later for r in page.records if r.id == "1").values["n_events"] == 7
    # Once its time has come it is an ordinary row.
    at = AHEAD + timedelta(hours=1)
    assert set(ids(read(source, later[-1].next_position, at))) == {"1", "3", "4", "2"} - {"2"}


@pytest.mark.parametrize("query", [NO_BOUNDS, f"{NO_BOUNDS} where updated_at <= :until"])
@pytest.mark.parametrize("odd", ["infinity", "-infinity", "12026-01-01", "0044-03-15 BC"])
def test_date_outside_the_calendar_is_no_time_of_change(engine: sa.Engine, files: Path, odd: str, query: str) -> None:
    """A row that ends at infinity is an idiom of PostgreSQL: the row's column is wrong, and no other row's."""
    (files / "usage_day.sql").write_text(query)
    put(engine, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"insert into usage (id, n, day, updated_at) values (2, 1, '{odd}', '{odd}')")
    source = source_of(engine.url)
    assert set(ids(read(source))) == {"1", "2"} == set(ids(read(source, full=True)))
    pages = read(source)
    later = read(source, pages[-1].next_position, NOW + timedelta(days=9))[-1].next_position
    assert ids(read(source, later, NOW + timedelta(days=9))) == ["2"]
    found = next(record for page in pages for record in page.records if record.id == "2")
    assert (found.source_at, found.values["day"], found.problems) == (None, None, {"day": odd})
    assert dict(one for page in source.ids("usage_day") for one in page) == {"1": NOW - timedelta(hours=1), "2": None}
    assert source.counts("usage_day") == {"2026-01-01": 1, "None": 1}


def test_killed_between_ids_that_a_collation_takes_for_one_none_is_lost(
    tmp_path: Path, files: Path, monkeypatch
) -> None:
    monkeypatch.setattr(database, "PAGE_ROWS", 1)
    (files / "usage_day.sql").write_text(NO_BOUNDS)
    lite = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with lite.begin() as connection:
        connection.exec_driver_sql("create table usage (id text collate nocase, n integer, day date, updated_at text)")
        connection.exec_driver_sql("insert into usage (id) values ('a'), ('A'), ('b')")
    source = source_of(lite.url)
    for page in (pages := read(source))[:-1]:
        before = ids(pages[: pages.index(page) + 1])
        assert {*before, *ids(list(source.read("usage_day", position=None, mark=page.mark, until=NOW)))} == {
            "a",
            "A",
            "b",
        }


def test_kill_among_future_dated_rows_loses_none(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAGE_ROWS", 2)
    for one in range(9):
        put(engine, one, AHEAD + timedelta(days=9 - one))
    put(engine, 9)
    source, seen, mark = source_of(engine.url), [], None
    for n in range(5):
        page = next(iter(source.read("usage_day", position=None, mark=mark, until=NOW + timedelta(days=99 * n))))
        seen += [record.id for record in page.records]
        mark = page.mark
    assert sorted(seen) == [str(one) for one in range(10)]


def test_rows_after_a_past_upper_bound_are_not_future_dated(engine: sa.Engine) -> None:
    put(engine, 1, NOW - timedelta(days=3))
    put(engine, 2, NOW - timedelta(hours=1))
    assert ids(read(source_of(engine.url), until=NOW - timedelta(days=1))) == ["1"]


@pytest.mark.parametrize("type_", ["date", "timestamptz"])
def test_date_only_row_is_reread_until_its_day_is_over_everywhere(engine: sa.Engine, type_: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"alter table usage alter column updated_at type {type_}")
    today = NOW.replace(hour=0)
    source = source_of(engine.url)
    put(engine, 1, today - timedelta(days=9))
    position = read(source)[-1].next_position
    put(engine, 2, today)  # inserted at noon with a plain date, which is before the last read's end
    put(engine, 3, today - timedelta(days=9), n=2)  # no date shows it: only a full read or `reconcile` finds it
    pages = read(source, position, NOW + timedelta(minutes=30))
    assert ids(pages) == ["2"]
    put(engine, 2, today, n=5)
    (record,) = (r for page in read(source, pages[-1].next_position, NOW + timedelta(hours=11)) for r in page.records)
    assert record.values["n_events"] == 5
    assert ids(read(source, pages[-1].next_position, NOW + timedelta(days=9))) == ["2"]
    late = read(source, pages[-1].next_position, NOW + timedelta(days=2))[-1].next_position
    assert ids(read(source, late, NOW + timedelta(days=2, hours=1))) == []


def test_rows_without_a_time_of_change_are_counted(engine: sa.Engine) -> None:
    put(engine, 1, AHEAD)
    put(engine, 2, AHEAD)
    put(engine, 3)
    source = source_of(engine.url)
    assert (source.count("usage_day"), source.undated("usage_day")) == (3, (3, 0, 2))
    assert sum(record.source_at is None for record in source.sample("usage_day", 9)) == 2
    assert source.counts("usage_day") == {"2026-01-01": 3}
