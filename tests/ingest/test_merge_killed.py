"""Killed at any statement and rerun, a merge produces the same rows."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from include.ingest import merge
from include.warehouse.engine import engine
from tests.fixtures.landing import judge, land, record, rows, store, tables


class Killed(BaseException):
    """Simulates the end of the process. No handler of ours may catch it."""


STATE = (
    "select id, name, _is_deleted, _hash, _batch_id from raw.hubspot__account order by id",
    "select id, _batch_id, _hash from raw.hubspot__account__version order by 1, 2",
    "select loser_id, survivor_id, batch_id from meta.account_merge order by 1",
    "select account_ref, from_day, to_day, batch_id from meta.dirty_range order by 1, 2, 4",
    "select source, entity, position, open_read, batch_id from meta.cursor order by 1, 2",
    "select batch_id, state, n_merged, n_unchanged, n_deleted from meta.batch order by 1",
    "select record_id, state, resolved_by from quarantine.record order by 1",
)


def _prepare() -> None:
    store(record("1", 1, name="a"), record("2", 1, name="b"), record("3", 1, name="c"), record("9", 1, name="gone"))
    judge(land(record("4", 1, name="bad")), "4")
    merge.merge("crm")
    judge(
        land(
            record("1", 2, name="a2", merged_ids="2"), record("3", 1, name="c"), record("4", 2, name="good"), full=True
        )
    )


def _state() -> list[list[tuple]]:
    return [rows(query) for query in STATE]


def _merge_killed_at(statement: int) -> bool:
    """Merge until just before the n-th statement. Return whether it got that far."""
    counter = itertools.count()

    def kill(*_: object) -> None:
        if next(counter) == statement:
            raise Killed

    target = engine("loader")
    event.listen(target, "before_cursor_execute", kill)
    try:
        merge.merge("crm")
    except Killed:
        return True
    finally:
        event.remove(target, "before_cursor_execute", kill)
        target.dispose()
    return False


def test_kill_before_every_statement(raw: str) -> None:
    _prepare()
    before = _state()
    n_kills = 0
    while _merge_killed_at(n_kills):
        # Either nothing or the whole batch was merged.
        assert _state() == before
        n_kills += 1
    assert n_kills > 10
    after = _state()
    assert after != before
    assert tables() == set()
    assert [row[:3] for row in after[0]] == [
        ("1", "a2", False),
        ("2", "b", True),
        ("3", "c", False),
        ("4", "good", False),
        ("9", "gone", True),
    ]
    assert merge.merge("crm") == merge.Merged()
    assert _state() == after


def test_kill_at_commit_merges_all_or_nothing(raw: str) -> None:
    _prepare()

    def kill(*_: object) -> None:
        raise Killed

    target = engine("loader")
    event.listen(target, "commit", kill)
    with pytest.raises(Killed):
        merge.merge("crm")
    event.remove(target, "commit", kill)
    target.dispose()
    assert merge.merge("crm").n_batches == 1
    assert merge.merge("crm").n_batches == 0
    with engine("reader").connect() as connection:
        assert connection.execute(sa.text("select count(*) from raw.hubspot__account")).scalar() == 5
