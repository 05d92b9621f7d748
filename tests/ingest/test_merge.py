"""Merge: the newest version wins, every change is kept, and unchanged rows are not touched."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from include.ingest import batches, held_batches, merge
from include.warehouse import locks
from include.warehouse.engine import engine
from tests.fixtures.landing import START, judge, land, record, rows, store, tables, value

ACCOUNTS = "select id, name, _is_deleted from raw.hubspot__account order by id"
VERSIONS = "select id, name, _is_deleted from raw.hubspot__account__version order by id, _batch_id"


def dirty(entity: str) -> list[tuple]:
    """Return the dirty ranges of an entity and delete them."""
    found = rows(
        "select account_ref, from_day, to_day from meta.dirty_range where entity = :entity order by 1, 2", entity=entity
    )
    with engine("loader").begin() as connection:
        connection.execute(sa.text("delete from meta.dirty_range"))
    return found


def test_newest_version_per_id_wins_within_a_batch(raw: str) -> None:
    merged = store(record("1", 5, name="new"), record("1", 3, name="old"), record("2", 1, name="two"))
    assert rows(ACCOUNTS) == [("1", "new", False), ("2", "two", False)]
    assert (merged.n_merged, merged.n_unchanged) == (2, 0)
    assert rows(VERSIONS) == [("1", "new", False), ("2", "two", False)]


def test_last_read_wins_on_equal_clocks(raw: str) -> None:
    store(record("1", 5, name="first"), record("1", 5, name="second"))
    assert rows(ACCOUNTS) == [("1", "second", False)]
    store(record("1", 5, name="third"))
    assert rows(ACCOUNTS) == [("1", "third", False)]


def test_older_version_changes_nothing(raw: str) -> None:
    store(record("1", 5, name="new"))
    merged = store(record("1", 4, name="late"))
    assert rows(ACCOUNTS) == [("1", "new", False)]
    assert (merged.n_merged, merged.n_unchanged) == (0, 1)


def test_older_version_between_two_equal_ones_does_not_win(raw: str) -> None:
    """The modification time is stored even without other changes, or the version in between would look newer."""
    store(record("1", 1, name="a"))
    store(record("1", 3, name="a"))
    store(record("1", 2, name="b"))
    assert rows(ACCOUNTS) == [("1", "a", False)]


def test_unchanged_record_touches_no_row(raw: str) -> None:
    records = [record(str(i), i, name=f"n{i}", is_test=False) for i in range(20)]
    store(*records)
    dirty("account")
    before = rows("select ctid::text, * from raw.hubspot__account order by id")
    versions = value("select count(*) from raw.hubspot__account__version")
    merged = store(*records)
    assert (merged.n_merged, merged.n_unchanged) == (0, 20)
    assert rows("select ctid::text, * from raw.hubspot__account order by id") == before
    assert value("select count(*) from raw.hubspot__account__version") == versions
    assert dirty("account") == []


def test_records_without_a_clock_follow_read_order(raw: str) -> None:
    store(record("1", None, name="a"), record("1", None, name="b"))
    store(record("1", None, name="c"))
    assert rows(ACCOUNTS) == [("1", "c", False)]


def test_cleared_value_overwrites(raw: str) -> None:
    store(record("1", 1, name="a", tier="gold"))
    store(record("1", 2, name="a", tier=None))
    assert value("select tier from raw.hubspot__account") is None


def test_case_24_tombstone_keeps_the_last_known_values(raw: str) -> None:
    store(record("1", 1, name="a", tier="gold"))
    merged = store(record("1", 2, is_deleted=True))
    assert rows("select name, tier, _is_deleted, _deleted_at from raw.hubspot__account") == [
        ("a", "gold", True, START + timedelta(seconds=2))
    ]
    assert merged.n_deleted == 1
    assert rows(VERSIONS) == [("1", "a", False), ("1", "a", True)]
    assert store(record("1", 2, is_deleted=True)).n_merged == 0


def test_restored_record_is_live_again(raw: str) -> None:
    store(record("1", 1, name="a"))
    store(record("1", 2, is_deleted=True))
    store(record("1", 3, name="a"))
    assert rows("select _is_deleted, _deleted_at from raw.hubspot__account") == [(False, None)]


def test_loaded_at_moves_with_changes_and_first_loaded_at_stays(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (1, 2, 3):
        monkeypatch.setenv("PERENNIAL_NOW", f"2026-02-0{day}T00:00:00Z")
        store(record("1", 1 if day < 3 else 3, name="a"))
    assert rows("select _loaded_at, _first_loaded_at from raw.hubspot__account") == [
        (START + timedelta(days=33), START + timedelta(days=31))
    ]
    assert rows("select _loaded_at, _is_first_load from raw.hubspot__account__version order by 1") == [
        (START + timedelta(days=31), True),
        (START + timedelta(days=33), False),
    ]


def test_cursor_moves_with_its_rows(raw: str) -> None:
    store(record("1"), position=7, read_until=START + timedelta(hours=1))
    assert rows("select position, read_until, open_read from meta.cursor") == [
        ({"position": 7}, START + timedelta(hours=1), None)
    ]
    assert tables() == set()


def test_empty_batch_only_moves_the_cursor(raw: str) -> None:
    land(position=9)
    assert merge.merge("crm") == merge.Merged(n_batches=1)
    assert value("select position from meta.cursor") == {"position": 9}


def test_rereading_a_past_range_does_not_move_the_cursor_back(raw: str) -> None:
    store(record("1"), position=7, read_until=START + timedelta(days=9))
    store(record("2"), position=3, since=START, read_until=START + timedelta(days=2))
    assert rows("select position, read_until from meta.cursor") == [({"position": 7}, START + timedelta(days=9))]


def test_rereading_from_beyond_the_cursor_leaves_no_gap(raw: str) -> None:
    store(record("1"), read_until=START + timedelta(days=1))
    batch = land(record("2"), since=START + timedelta(days=5), read_until=START + timedelta(days=6))
    assert batch.since is None


def test_bad_rows_stay_out_and_the_last_good_version_remains(raw: str) -> None:
    store(record("1", 1, name="good"))
    batch = land(record("1", 2, name="bad"), record("2", 1, name="fine"))
    judge(batch, "1")
    merge.merge("crm")
    assert rows(ACCOUNTS) == [("1", "good", False), ("2", "fine", False)]


def test_good_version_clears_the_quarantine(raw: str) -> None:
    judge(land(record("1", 5, name="bad")), "1")
    merge.merge("crm")
    store(record("1", 4, name="older"))
    assert value("select state from quarantine.record") == "open"
    merged_by = land(record("1", 5, name="mapped right"))
    judge(merged_by)
    merge.merge("crm")
    assert rows("select state, resolved_by from quarantine.record") == [("resolved", merged_by.batch_id)]


def test_deletion_at_the_source_clears_the_quarantine(raw: str) -> None:
    judge(land(record("1", 5, name="bad")), "1")
    merge.merge("crm")
    store(record("1", 6, is_deleted=True))
    assert value("select state from quarantine.record") == "resolved"


def test_concurrent_merges_merge_once(raw: str) -> None:
    batch = land(*(record(str(i), 1) for i in range(500)))
    judge(batch)
    with ThreadPoolExecutor(4) as pool:
        merged = list(pool.map(merge.merge, ["crm"] * 4))
    assert sum(each.n_merged for each in merged) == 500
    assert value("select count(*) from raw.hubspot__account__version") == 500


def test_dirty_ranges_cover_the_old_and_the_new_account(raw: str) -> None:
    line = {"entity": "contact"}
    store(record("7", 1, account_id="1"), **line)
    assert dirty("contact") == [("1", date(1, 1, 1), None)]
    store(record("7", 2, account_id="2"), **line)
    assert dirty("contact") == [("1", date(1, 1, 1), None), ("2", date(1, 1, 1), None)]


def test_clock_change_alone_marks_nothing_dirty(raw: str) -> None:
    store(record("1", 1, name="a", updated_at=START))
    dirty("account")
    store(record("1", 2, name="a", updated_at=START + timedelta(seconds=2)))
    assert dirty("account") == []
    assert value("select count(*) from raw.hubspot__account__version") == 2


def test_usage_marks_each_account_dirty_once_from_its_first_day(raw: str) -> None:
    usage = {"source": "product_db", "vendor": "product", "entity": "usage_day"}
    store(
        *(record(f"{a}-{d}", 1, account_id=a, day=date(2026, 1, d), n_events=1) for a in "xy" for d in range(1, 31)),
        **usage,
    )
    assert dirty("usage_day") == [(a, date(2026, 1, 1), date(2026, 1, 30) + timedelta(days=113)) for a in "xy"]


def test_distant_days_stay_two_ranges(raw: str) -> None:
    usage = {"source": "product_db", "vendor": "product", "entity": "usage_day"}
    store(
        record("1", 1, account_id="x", day=date(2024, 1, 1)),
        record("2", 1, account_id="x", day=date(2026, 1, 1)),
        **usage,
    )
    assert [from_day for _, from_day, _ in dirty("usage_day")] == [date(2024, 1, 1), date(2026, 1, 1)]


def test_row_moved_to_another_day_marks_both_days_dirty(raw: str) -> None:
    usage = {"source": "product_db", "vendor": "product", "entity": "usage_day"}
    store(record("1", 1, account_id="x", day=date(2024, 1, 1)), **usage)
    dirty("usage_day")
    store(record("1", 2, account_id="x", day=date(2026, 1, 1)), **usage)
    assert [from_day for _, from_day, _ in dirty("usage_day")] == [date(2024, 1, 1), date(2026, 1, 1)]


def test_timestamp_is_dirty_from_the_day_before_in_any_time_zone(raw: str) -> None:
    desk = {"source": "support", "vendor": "zendesk", "entity": "ticket"}
    store(record("1", 1, organization_id="9", created_at=START), **desk)
    assert dirty("ticket") == [("9", date(2025, 12, 31), None)]


def test_owners_belong_to_no_account(raw: str) -> None:
    store(record("1", 1, email="a@example.com"), entity="owner")
    assert dirty("owner") == []


def test_batches_merge_in_order_and_wait_behind_a_held_one(raw: str) -> None:
    first = land(record("1", 1, name="a"), position=1)
    second = land(record("1", 2, name="b"), position=2)
    other = land(record("1", 1), entity="contact")
    for batch in (first, second, other):
        judge(batch)
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update meta.batch set state = 'held' where batch_id = :b"), {"b": first.batch_id})
    assert merge.merge("crm").n_batches == 1
    assert rows(ACCOUNTS) == []
    assert merge.merge_batch(second.batch_id) is None
    held_batches.accept(first.batch_id, reason="a real bulk edit", by="ada")
    assert merge.merge("crm").n_batches == 2
    assert rows(ACCOUNTS) == [("1", "b", False)]
    assert rows("select decided_by, decision_reason from meta.batch where batch_id = 1") == [
        ("ada", "a real bulk edit")
    ]


def test_unvalidated_batch_is_not_merged(raw: str) -> None:
    land(record("1"))
    assert merge.merge("crm") == merge.Merged()
    assert rows(ACCOUNTS) == []


def test_merging_twice_changes_nothing(raw: str) -> None:
    batch = land(record("1"))
    judge(batch)
    assert merge.merge_batch(batch.batch_id) == merge.Merged(1, 1, 0, 0)
    assert merge.merge_batch(batch.batch_id) == merge.Merged()


def test_long_first_load_is_merged_batch_by_batch(raw: str) -> None:
    from include.ingest import landing

    first = land(record("1"), is_last=False, position=5)
    with batches.reading("crm", "account") as connection:
        landing.close_full(connection, first)
    judge(first)
    merge.merge("crm")
    assert value("select read_until from meta.cursor") is None
    second = land(record("2"), position=8)
    assert (second.read_id, second.is_first_load) == (first.batch_id, True)
    judge(second)
    merge.merge("crm")
    assert rows("select position, read_until, open_read from meta.cursor") == [({"position": 8}, START, None)]
    assert rows("select distinct _is_first_load from raw.hubspot__account__version") == [(True,)]


def test_settled_time_is_never_before_a_running_merge(raw: str) -> None:
    with engine("loader").begin() as merging:
        merging.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": locks.SETTLE_LOCK})
        with engine("reader").begin() as building, pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            building.execute(sa.text("set local lock_timeout = '50ms'"))
            locks.settled_at(building)
    with engine("reader").begin() as building:
        assert locks.settled_at(building) > START
