"""Put the CSV files of a folder into PostgreSQL, a table of texts for each: ``python load.py FOLDER URL``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import psycopg
from psycopg import sql


def load(folder: Path, url: str) -> None:
    """Make the tables anew and fill them."""
    with psycopg.connect(url) as connection:
        for path in sorted(folder.glob("*.csv")):
            table = sql.Identifier(path.stem)
            with path.open(newline="", encoding="utf-8") as file:
                names = next(csv.reader(file))
            columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
            connection.execute(sql.SQL("drop table if exists {}").format(table))
            connection.execute(sql.SQL("create table {} ({})").format(table, columns))
            copy = sql.SQL("copy {} from stdin with (format csv, header)").format(table)
            with connection.cursor().copy(copy) as into:
                into.write(path.read_bytes())


if __name__ == "__main__":
    load(Path(sys.argv[1]), sys.argv[2])
