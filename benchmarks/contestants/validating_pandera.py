"""Validate with pandera in its own environment: read the batch into pandas and check the row rules."""

from __future__ import annotations

import json
import sys
import time

import pandas
import pandera.pandas as pa
import psycopg

SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(str, pa.Check.str_matches(r"\S")),
        "updated_at": pa.Column(nullable=False),
        "account_id": pa.Column(str, nullable=False),
        "user_id": pa.Column(str, nullable=False),
        "feature": pa.Column(str, nullable=False),
        "day": pa.Column(nullable=False),
        "n_events": pa.Column(int, pa.Check.ge(0)),
        "minutes": pa.Column(float, [pa.Check.ge(0), pa.Check.le(1440)], nullable=True),
    }
)


def main() -> None:
    """Time reading and checking together: the rows start in PostgreSQL for every contestant."""
    url, rows = sys.argv[1], int(sys.argv[2])
    started = time.perf_counter()
    with psycopg.connect(url) as connection:
        table = connection.execute("select table_name from meta.batch where table_name <> ''").fetchone()[0]
        cursor = connection.execute(
            f"select id, account_id, user_id, feature, day, n_events, minutes, updated_at from raw.{table}"  # noqa: S608
        )
        names = [column.name for column in cursor.description]
        frame = pandas.DataFrame(cursor.fetchall(), columns=names)
    SCHEMA.validate(frame, lazy=True)
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
