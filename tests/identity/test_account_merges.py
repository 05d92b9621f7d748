"""Accounts with their own merge target: Salesforce accounts and support organisations."""

from __future__ import annotations

from tests.fixtures.landing import record, rows, store

ACCOUNTS = "select id, _is_deleted from raw.salesforce__account order by id"
MERGES = "select loser_id, survivor_id from meta.account_merge order by 1"


def _store(*records) -> None:
    store(*records, vendor="salesforce")


def test_case_42_merged_account_names_its_survivor(raw: str) -> None:
    _store(record("a"), record("b"))
    _store(record("a", 5, is_deleted=True, merged_into="b"))
    assert rows(MERGES) == [("a", "b")]
    assert rows(ACCOUNTS) == [("a", True), ("b", False)]


def test_merge_chain_resolves_to_the_last_survivor(raw: str) -> None:
    _store(record("a", is_deleted=True, merged_into="b"), record("b"), record("c"))
    _store(record("b", 5, is_deleted=True, merged_into="c"))
    assert rows(MERGES) == [("a", "c"), ("b", "c")]


def test_undone_merge_is_forgotten(raw: str) -> None:
    _store(record("a", is_deleted=True, merged_into="b"), record("b"))
    assert rows(ACCOUNTS) == [("a", True), ("b", False)]
    _store(record("a", 5))
    assert rows(MERGES) == []
    assert rows(ACCOUNTS) == [("a", False), ("b", False)]


def test_account_without_merge_data_undoes_no_merge(raw: str) -> None:
    _store(record("a"), record("b", merged_ids="a"))
    assert rows(MERGES) == [("a", "b")]
    _store(record("a", 5))
    assert rows(MERGES) == [("a", "b")]
    assert rows(ACCOUNTS) == [("a", True), ("b", False)]


def test_case_37_merged_organisation_names_its_survivor(raw: str) -> None:
    _desk(record("o1"), record("o2"), record("o3"))
    _desk(record("o1", 5, is_deleted=True, merged_into="o2"))
    assert rows(MERGES) == [("o1", "o2")]
    _desk(record("o2", 6, is_deleted=True, merged_into="o3"))
    assert rows(MERGES) == [("o1", "o3"), ("o2", "o3")]
    _desk(record("o2", 7))
    assert rows(MERGES) == [("o1", "o2")]
    deleted = "select id from raw.zendesk__organization where _is_deleted"
    assert rows(deleted) == [("o1",)]


def _desk(*records) -> None:
    store(*records, vendor="zendesk", source="support", entity="organization")
