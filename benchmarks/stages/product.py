"""Measure pulling usage from the product's database into the warehouse: ours against ``COPY`` and pandas.

* *COPY*: out of one database and into the other, in binary, without looking at values: the cost of reading and writing
  alone.
* *ours, closed batch*, *ours, merged*: as in the stage ``landing``: cast and checked, then validated and merged.
* *pandas*: ``read_sql`` and ``to_sql`` in chunks, without keys, types, versions or validation.
"""

from __future__ import annotations

import json
import sys

import psycopg
from sqlalchemy.engine import make_url

from benchmarks import measure, services
from benchmarks.contestants import steps
from benchmarks.measure import Run
from benchmarks.rows import Row
from include.common import paths

CASE = "usage days"
SIZES = {"small": 40_000, "full": 400_000}
REPEATS = {"small": 1, "full": 3}
MOST_MB = 250.0
_TABLE = """
create table member_feature_daily (
    workspace_key text not null, member_no bigint not null, feature_key text not null, activity_date date not null,
    event_count int not null, active_minutes double precision not null, updated_at timestamptz not null
)
"""
# Forty customers with 25 users each, and four features per day.
_ROWS = """
insert into member_feature_daily
select
    'ws-' || n %% 40, n %% 1000, (array['login', 'dashboards', 'reports', 'api'])[1 + n / 1000 %% 4],
    date '2026-06-28' - n / 4000, 1 + n %% 17, (n %% 700) / 10.0,
    timestamptz '2026-06-28 20:00+00' - (n / 4000) * interval '1 day' + (n %% 4000) * interval '1 second'
from generate_series(0, %(rows)s - 1) as n
"""


def run(size: str) -> list[Row]:
    """Measure all ways on one table."""
    count, source = SIZES[size], services.database()
    with psycopg.connect(services.plain(source)) as connection:
        connection.execute(_TABLE)
        connection.execute(_ROWS, {"rows": count})
        connection.execute("create index on member_feature_daily (updated_at)")
    services.say(f"{CASE}, {count:,}")

    def elsewhere(way: str) -> Run:
        target = services.database()
        try:
            command = [sys.executable, "-m", "benchmarks.contestants.product_pull", way]
            return measure.run([*command, services.plain(source), services.plain(target), _query()])
        finally:
            services.drop(target)

    url = make_url(source)
    connection = {
        "conn_type": "postgres", "host": url.host, "port": url.port, "schema": url.database,
        "login": url.username, "password": url.password,
    }  # fmt: skip
    ours = steps.Steps("product_db", "usage_day", count, {"AIRFLOW_CONN_PRODUCT_DB": json.dumps(connection)})
    done = measure.in_turns(
        {
            "COPY": lambda: elsewhere("copy"),
            "ours, closed batch": lambda: ours.run(is_merged=False),
            "ours, merged": lambda: ours.run(is_merged=True),
        },
        REPEATS[size],
        services.say,
    )
    done |= measure.in_turns({"pandas": lambda: elsewhere("pandas")}, 1, services.say)
    return [
        steps.row(CASE, who, count, runs, against="COPY", most_mb=MOST_MB if who.startswith("ours") else 0.0)
        for who, runs in done.items()
    ]


def _query() -> str:
    """Return our own query with its parameters filled in, so that the others read the same rows."""
    text = (paths.SQL / "sources" / "product" / "usage_day.sql").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return "\n".join(lines).replace(":until", f"timestamptz '{services.NOW}'").replace(":since", "null")
