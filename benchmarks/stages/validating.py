"""Measure validating one batch of usage days: ours against Great Expectations, pandera and a hand-written scan.

* *hand-written scan*: the row rules as one statement; stores nothing and identifies no rows.
* *Great Expectations*: the same expectations as ours, through its own data source and suite.
* *ours*: the same, plus looking up the batch's history, and writing results and verdict in one transaction.
* *pandera*: the row rules that it can express, on a pandas frame. Reading the frame is timed, since the rows start in
  PostgreSQL for every contestant.
"""

from __future__ import annotations

import sys

import psycopg

from benchmarks import measure, services
from benchmarks.measure import Run
from benchmarks.rows import Row

CASE = "a batch of usage days"
SIZES = {"small": 50_000, "full": 200_000}
REPEATS = {"small": 1, "full": 3}
MOST_MB = 400.0
# Great Expectations' time over ours: ours may take at most 1.3 times as long.
WANTED = round(1 / 1.3, 2)
_BATCH = """
insert into raw.{table} (_row, id, account_id, user_id, feature, day, n_events, minutes, updated_at, _source_at,
    _is_deleted)
select n, 'u' || n, 'a' || n %% 400, 'p' || n %% 4000, (array['login', 'dashboards', 'reports', 'api'])[1 + n %% 4],
    current_date - 1 - n %% 3, 1 + n %% 17, (n %% 700) / 10.0, now() - interval '1 hour',
    now() - interval '1 hour', false
from generate_series(1, %(rows)s) as n
"""
_ACCOUNTS = """
insert into raw.product__product_account
    (source, id, name, _is_deleted, _hash, _batch_id, _loaded_at, _first_loaded_at)
select 'product_db', 'a' || n, 'Customer ' || n, false, '', 0, now(), now() from generate_series(0, 399) as n
"""


def run(size: str) -> list[Row]:
    """Measure all ways, each on its own copy of the batch."""
    count = SIZES[size]
    services.say(f"{CASE}, {count:,}")

    def own(way: str) -> Run:
        url = _landed(count)
        try:
            command = [sys.executable, "-m", "benchmarks.contestants.validating_run", way, str(count)]
            return measure.run(command, environment={"PERENNIAL_DATABASE_URL": url})
        finally:
            services.drop(url)

    def pandera() -> Run:
        url = _landed(count)
        try:
            python = str(services.tool("pandera") / "python")
            script = "benchmarks/contestants/validating_pandera.py"
            return measure.run([python, script, services.plain(url), str(count)])
        finally:
            services.drop(url)

    done = measure.in_turns(
        {
            "Great Expectations": lambda: own("great_expectations"),
            "ours": lambda: own("ours"),
            "hand-written scan": lambda: own("scan"),
            "pandera": pandera,
        },
        REPEATS[size],
        services.say,
    )
    return [_row(who, count, runs) for who, runs in done.items()]


def _row(who: str, count: int, runs: list[Run] | measure.Failed) -> Row:
    if isinstance(runs, measure.Failed):
        return Row(CASE, who, note=f"failed: {runs}"[:200])
    is_ours = who == "ours"
    return Row(
        CASE,
        who,
        count,
        tuple(run.seconds for run in runs),
        max(run.peak_mb for run in runs),
        against="" if who == "Great Expectations" else "Great Expectations",
        wanted=WANTED if is_ours else 0.0,
        most_mb=MOST_MB if is_ours else 0.0,
    )


def _landed(count: int) -> str:
    """Return the URL of a warehouse with one landed batch that waits for validation."""
    import os

    from include.entities.catalog import ENTITIES
    from include.ingest import batches, landing
    from include.warehouse import raw_tables
    from include.warehouse.engine import engine

    url = services.database(is_warehouse=True)
    before = os.environ.get("PERENNIAL_DATABASE_URL")
    os.environ["PERENNIAL_DATABASE_URL"] = url
    try:
        raw_tables.ensure_raw_tables()
        with engine("loader").begin() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            number = driver.execute(
                "insert into meta.batch (source, vendor, entity, state, until, n_rows, cursor_after)"
                " values ('product_db', 'product', 'usage_day', 'closed', now(), %s, '{}') returning batch_id",
                [count],
            ).fetchone()[0]  # type: ignore[index]
            table = landing.create_batch_table(connection, batches.get(connection, number), ENTITIES["usage_day"])
            driver.execute(_BATCH.format(table=table), {"rows": count})
            driver.execute(_ACCOUNTS)
            driver.execute("update meta.batch set table_name = %s", [table])
            driver.execute(f"analyze raw.{table}")
        return url
    finally:
        engine("loader", url).dispose()
        os.environ.pop("PERENNIAL_DATABASE_URL") if before is None else os.environ.update(PERENNIAL_DATABASE_URL=before)
