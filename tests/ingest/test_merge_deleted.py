"""Deletions: merged accounts, and records missing from a full read."""

from include.ingest import batches, held_batches, landing, merge
from tests.fixtures.landing import START, judge, land, record, rows, store, tables, value

ACCOUNTS = "select id, _is_deleted from raw.hubspot__account order by id"
MERGES = "select loser_id, survivor_id from meta.account_merge order by 1"


def test_case_12_merged_account_is_a_tombstone_with_its_survivor(raw: str) -> None:
    store(record("1", 1, name="keeps"), record("2", 1, name="loses"))
    merged = store(record("1", 2, name="keeps", merged_ids="2"))
    assert rows(ACCOUNTS) == [("1", False), ("2", True)]
    assert rows(MERGES) == [("2", "1")]
    assert merged.n_deleted == 1
    dirty = "select distinct account_ref from meta.dirty_range where batch_id = 2 order by 1"
    assert rows(dirty) == [("1",), ("2",)]
    versions = rows("select id, name, _is_deleted from raw.hubspot__account__version where _batch_id = 2 order by id")
    assert versions == [("1", "keeps", False), ("2", "loses", True)]


def test_merged_account_in_a_stale_search_index_stays_deleted(raw: str) -> None:
    store(record("1", 2, merged_ids="2"), record("2", 1))
    store(record("2", 3, name="late"))
    assert rows(ACCOUNTS) == [("1", False), ("2", True)]
    before = value("select count(*) from raw.hubspot__account__version")
    store(record("1", 2, merged_ids="2"), record("2", 3, name="late"))
    assert value("select count(*) from raw.hubspot__account__version") == before


def test_merged_account_never_loaded_is_still_mapped(raw: str) -> None:
    store(record("1", 1, merged_ids="98;99"))
    assert rows(MERGES) == [("98", "1"), ("99", "1")]
    assert rows(ACCOUNTS) == [("1", False)]


def test_merge_chain_ends_at_the_last_survivor(raw: str) -> None:
    store(record("1", 1), record("2", 1), record("3", 1), record("4", 1))
    store(record("2", 2, merged_ids="1"))
    store(record("3", 3, merged_ids="2"))
    store(record("4", 4, merged_ids="3;2"))
    assert rows(MERGES) == [("1", "4"), ("2", "4"), ("3", "4")]
    assert rows(ACCOUNTS) == [("1", True), ("2", True), ("3", True), ("4", False)]
    known = rows("select * from meta.account_merge order by loser_id")
    store(record("2", 2, merged_ids="1"), record("3", 3, merged_ids="2"), record("4", 4, merged_ids="3;2"))
    assert rows("select * from meta.account_merge order by loser_id") == known


def test_merge_chain_within_one_batch(raw: str) -> None:
    store(record("1", 1), record("2", 2, merged_ids="1"), record("3", 3, merged_ids="2"))
    assert rows(MERGES) == [("1", "3"), ("2", "3")]
    assert rows(ACCOUNTS) == [("1", True), ("2", True), ("3", False)]


def test_accounts_in_a_merge_cycle_all_stay(raw: str) -> None:
    store(record("1", 1, merged_ids="2"), record("2", 1, merged_ids="1"))
    store(
        record("5", 1, merged_ids="6"), record("6", 1, merged_ids="7"), record("7", 1, merged_ids="5"), record("8", 1)
    )
    assert all(not is_deleted for _, is_deleted in rows(ACCOUNTS))
    assert rows(MERGES) == []


def test_same_ids_of_another_portal_are_other_accounts(raw: str) -> None:
    store(record("2", 1), source="crm_eu")
    store(record("1", 2, merged_ids="2"))
    assert rows("select _is_deleted from raw.hubspot__account where source = 'crm_eu'") == [(False,)]


def test_full_read_marks_missing_records_deleted(raw: str) -> None:
    store(record("1", 1), record("2", 1), record("3", 1))
    merged = store(record("1", 1), record("3", 1), full=True, position=2)
    assert rows(ACCOUNTS) == [("1", False), ("2", True), ("3", False)]
    assert (merged.n_merged, merged.n_unchanged, merged.n_deleted) == (1, 2, 1)
    assert tables() == set()
    assert store(record("1", 1), record("3", 1), full=True).n_merged == 0


def test_unchanged_record_that_returns_is_live_again(raw: str) -> None:
    store(record("1", 1), record("2", 1))
    store(record("1", 1), full=True)
    store(record("1", 1), record("2", 1), full=True)
    assert rows(ACCOUNTS) == [("1", False), ("2", False)]


def test_full_read_over_several_batches_counts_all_rows(raw: str) -> None:
    store(*(record(str(i), 1) for i in range(5)))
    first = land(record("0", 1), record("1", 1), is_last=False, full=True)
    with batches.reading("crm", "account") as connection:
        landing.close_full(connection, first)
    judge(first)
    merge.merge("crm")
    assert all(not gone for _, gone in rows(ACCOUNTS))
    second = land(record("2", 1))
    judge(second)
    merge.merge("crm")
    assert rows(ACCOUNTS) == [("0", False), ("1", False), ("2", False), ("3", True), ("4", True)]
    assert tables() == set()


def test_bad_row_is_not_a_missing_one(raw: str) -> None:
    store(record("1", 1), record("2", 1))
    batch = land(record("1", 1), record("2", 2), full=True)
    judge(batch, "2")
    merge.merge("crm")
    assert rows(ACCOUNTS) == [("1", False), ("2", False)]


def test_empty_full_read_marks_everything_deleted(raw: str) -> None:
    """The contract, not the merge, decides whether that is plausible (more than 2% at once is held)."""
    store(record("1", 1))
    assert store(full=True).n_deleted == 1
    assert rows(ACCOUNTS) == [("1", True)]


def test_unfinished_full_read_marks_nothing(raw: str) -> None:
    store(record("1", 1), record("2", 1))
    land(record("1", 1), is_last=False, full=True)
    merge.merge("crm")
    assert rows(ACCOUNTS) == [("1", False), ("2", False)]


def test_dropped_batch_and_later_ones_are_read_again(raw: str) -> None:
    store(record("1", 1, name="a"), position=1)
    second = land(record("1", 2, name="wrong"), position=2)
    third = land(record("1", 3, name="wrong too"), position=3)
    judge(second, "1")
    dropped = held_batches.drop(second.batch_id, reason="wrong mapping", by="ada")
    assert [batch.batch_id for batch in dropped] == [second.batch_id, third.batch_id]
    assert tables() == set()
    assert value("select state from quarantine.record") == "requeued"
    again = land(record("1", 3, name="right"), position=3)
    assert again.position == {"position": 1}
    judge(again)
    merge.merge("crm")
    assert rows("select name from raw.hubspot__account") == [("right",)]


def test_batch_dropped_in_a_full_read_forgets_its_seen_ids(raw: str) -> None:
    store(*(record(str(i), 1) for i in range(4)))
    first = land(record("0", 1), is_last=False, position=5, full=True)
    with batches.reading("crm", "account") as connection:
        landing.close_full(connection, first)
    judge(first)
    merge.merge("crm")
    second = land(record("1", 1), record("2", 1), position=6)
    held_batches.drop(second.batch_id, reason="half delivered", by="ada")
    again = land(record("1", 1), position=6)
    assert (again.read_id, again.read_mark) == (first.batch_id, {"mark": 6})
    judge(again)
    merge.merge("crm")
    assert rows(ACCOUNTS) == [("0", False), ("1", False), ("2", True), ("3", True)]


def test_merge_uses_the_clock_of_the_run(raw: str, monkeypatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", START.isoformat())
    store(record("1", 1, merged_ids="2"), record("2", 1))
    assert value("select known_from from meta.account_merge") == START
    assert value("select _deleted_at from raw.hubspot__account where id = '2'").year == 2026
