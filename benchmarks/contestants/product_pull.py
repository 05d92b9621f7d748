"""Alternative ways to pull a query's rows from one PostgreSQL into another: pandas, and COPY out and in."""

from __future__ import annotations

import json
import sys
import time

TABLE = "loaded"


def by_copy(source: str, target: str, query: str) -> int:
    """Copy in binary, without looking at any value."""
    import psycopg

    with psycopg.connect(source) as out, psycopg.connect(target) as into:
        columns = out.execute(f"select * from ({query}) q limit 0").description or []  # noqa: S608
        listed = ", ".join(f'"{column.name}" {column.type_display}' for column in columns)
        into.execute(f"create table {TABLE} ({listed})")
        with out.cursor() as reading, into.cursor() as writing:
            with (
                reading.copy(f"copy ({query}) to stdout (format binary)") as pages,
                writing.copy(f"copy {TABLE} from stdin (format binary)") as copy,
            ):
                for page in pages:
                    copy.write(page)
            rows = writing.rowcount
        into.commit()
    return rows


def by_pandas(source: str, target: str, query: str) -> int:
    """Use ``read_sql`` and ``to_sql`` in chunks with multi-row statements, which is faster than their defaults."""
    import pandas as pd
    import sqlalchemy as sa

    rows = 0
    reading = sa.create_engine(source.replace("postgresql:", "postgresql+psycopg:"))
    writing = sa.create_engine(target.replace("postgresql:", "postgresql+psycopg:"))
    with reading.connect().execution_options(stream_results=True) as connection, writing.begin() as into:
        for piece in pd.read_sql(sa.text(query), connection, chunksize=10_000):
            piece.to_sql(TABLE, into, if_exists="append", index=False, method="multi", chunksize=1000)
            rows += len(piece)
    return rows


def main() -> None:
    way, source, target, query = sys.argv[1:5]
    if way == "pandas":
        import pandas  # noqa: F401 - so that loading it is not timed
        import sqlalchemy  # noqa: F401
    else:
        import psycopg  # noqa: F401
    started = time.perf_counter()
    rows = {"pandas": by_pandas, "copy": by_copy}[way](source, target, query)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


if __name__ == "__main__":
    main()
