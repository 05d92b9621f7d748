"""Killed anywhere and rerun, ingest produces the same rows, and it keeps at most a page in memory."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from include.common import paths
from include.ingest import pipeline
from include.warehouse import raw_tables
from include.warehouse.engine import engine
from tests.fixtures.children import Child
from tests.fixtures.fake_source import record
from tests.fixtures.landing import rows, tables, value


class Killed(BaseException):
    """Simulates the end of the process. No handler of ours may catch it."""


STATE = (
    "select id, name, _is_deleted, _source_at, _hash from raw.hubspot__account order by id",
    "select id, account_id, _hash from raw.hubspot__contact order by id",
    "select id, _hash, count(*) from raw.hubspot__account__version group by 1, 2 order by 1, 2",
    "select loser_id, survivor_id from meta.account_merge order by 1",
    "select entity, position, read_until, open_read from meta.cursor order by 1",
    "select distinct entity, account_ref, from_day, to_day from meta.dirty_range order by 1, 2",
    "select entity, state, reason from meta.verdict order by 1",
    "select state, sum(n_rows), sum(n_merged) from meta.batch group by 1",
    "select source, entity, step from meta.source_failure",
)


def _empty() -> None:
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text(
                "truncate raw.hubspot__account, raw.hubspot__account__version, raw.hubspot__contact,"
                " raw.hubspot__contact__version, meta.cursor, meta.batch, meta.dirty_range, meta.verdict,"
                " meta.account_merge_history, meta.source_failure, quarantine.record cascade"
            )
        )
        for table in tables():
            connection.execute(sa.text(f"drop table raw.{table}"))


def _run_killed_at(event_name: str, n: int) -> bool:
    """Run until just before the n-th statement or commit. Return whether it got that far."""
    counter = itertools.count()

    def kill(*_: object) -> None:
        if next(counter) == n:
            raise Killed

    target = engine("loader")
    event.listen(target, event_name, kill)
    try:
        pipeline.run("crm")
    except Killed:
        return True
    finally:
        event.remove(target, event_name, kill)
        target.dispose()
    return False


@pytest.mark.parametrize(("event_name", "step"), [("commit", 1), ("before_cursor_execute", 5)])
def test_kill_at_any_commit_or_statement_then_rerun(crm, event_name: str, step: int) -> None:
    crm.records["account"].append(record("5", 9, merged_ids="1"))
    raw_tables.ensure_raw_tables()
    pipeline.run("crm")
    expected = [rows(query) for query in STATE]
    assert len(expected[0]) == 6
    n_kills = 0
    for n in itertools.count(0, step):
        _empty()
        if not _run_killed_at(event_name, n):
            break
        n_kills += 1
        pipeline.run("crm")
        assert [rows(query) for query in STATE] == expected, f"killed at {event_name} {n}"
        assert tables() == set()
    assert n_kills > 8


def _finish(*arguments: str) -> dict:
    """Run to the end in a new interpreter, to measure its memory."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.ingest.ingest_process", *arguments],
        cwd=paths.ROOT,
        env=os.environ | {"PYTHONPATH": str(paths.ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout.splitlines()[-1])


def _kill_some_and_check(seed: int, n: int) -> None:
    chance = random.Random(seed)
    raw_tables.ensure_raw_tables()
    for _ in range(3):
        child = Child("tests.ingest.ingest_process", str(n), "0.01")
        # Only after it has started working: a kill before the first row proves nothing.
        before = _rows_landed()
        while _rows_landed() == before and not child.ends_within(0.02):
            pass
        if not child.ends_within(chance.uniform(0, 0.6)):
            child.kill()
        child.end()
    assert _finish(str(n), "0")["state"] == "green"
    assert value("select count(*) from raw.hubspot__contact") == n
    versions = rows("select job_title, count(*) from raw.hubspot__contact group by 1 order by 1")
    assert versions == [("v1" * 20, n - n // 7), ("v2" * 20, n // 7)]
    doubled = "select id from raw.hubspot__contact__version group by id, _hash having count(*) > 1"
    assert rows(doubled) == []
    assert value("select sum(n_rows) from meta.batch where state = 'merged'") == n + n // 7
    assert tables() == set()


def _rows_landed() -> int:
    return value("select coalesce(sum(n_rows), 0) from meta.batch")


@pytest.mark.parametrize("seed", [1])
def test_sigkill_at_random_moments(warehouse: str, seed: int) -> None:
    _kill_some_and_check(seed, 7000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_sigkill_at_many_random_moments(warehouse: str, seed: int) -> None:
    _kill_some_and_check(seed, 14000)


def test_memory_does_not_grow_with_the_rows(warehouse: str) -> None:
    small, large = _finish("2000")["mb_landed"], None
    with engine("owner").begin() as connection:
        connection.execute(sa.text("truncate meta.batch, meta.cursor cascade"))
    large = _finish("30000")["mb_landed"]
    assert large < small + 12, f"{small} MB for 2,000 rows, {large} MB for 30,000"


@pytest.mark.soak
def test_200_000_rows_take_less_than_250_mb(warehouse: str) -> None:
    report = _finish("200000")
    print(report)
    assert report["mb"] < 250
