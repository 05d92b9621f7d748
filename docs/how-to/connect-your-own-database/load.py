"""Put the CSV files of a folder into PostgreSQL, a table of texts for each: ``python load.py FOLDER URL``.

Run again, it replaces the tables that it made, which it knows by their comment, and no other one.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import psycopg
from psycopg import sql

MADE_HERE = "made by load.py of Perennial's how-to"


def load(folder: Path, url: str) -> None:
    """Make and fill all tables in one transaction, or none.

    Raises:
        SystemExit: There is nothing to load, or a table of the name is somebody else's.
    """
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise SystemExit(f"there is no CSV file in {folder}: nothing was loaded")
    with psycopg.connect(url) as connection:
        for path in files:
            table = sql.Identifier(path.stem)
            with path.open(newline="", encoding="utf-8") as file:
                names = next(csv.reader(file), None)
            if not names:
                raise SystemExit(f"{path} has no line with the names of its columns: nothing was loaded")
            if comment := _comment(connection, path.stem):
                if comment[0] != MADE_HERE:
                    raise SystemExit(
                        f"there is a {path.stem} already that this program did not make: nothing was loaded.\n"
                        "Name a database of its own for this world, or rename what is there."
                    )
                connection.execute(sql.SQL("drop table {}").format(table))
            columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
            connection.execute(sql.SQL("create table {} ({})").format(table, columns))
            connection.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(MADE_HERE)))
            copy = sql.SQL("copy {} from stdin with (format csv, header)").format(table)
            with connection.cursor().copy(copy) as into:
                into.write(path.read_bytes())


def _comment(connection: psycopg.Connection, name: str) -> tuple[str | None] | None:
    """Return the comment of what has the name in the schema that tables are made in; None if nothing has it."""
    query = "select obj_description(c.oid, 'pg_class') from pg_class as c where c.relname = %s"
    return connection.execute(f"{query} and c.relnamespace = current_schema()::regnamespace", [name]).fetchone()


if __name__ == "__main__":
    load(Path(sys.argv[1]), sys.argv[2])
