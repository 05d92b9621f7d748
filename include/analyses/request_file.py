"""Read requests from a CSV file, such as the export of a feedback tool."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from include.analyses.requests import Entry
from include.common.errors import ConfigError

NEEDED = ("request", "account", "asked_on", "origin")


def read(path: Path) -> list[Entry]:
    """Return the entries of a file. A column that is not known is ignored.

    Raises:
        ConfigError: The file cannot be read, or a row lacks a value, has a wrong date or the origin of another row. The
            message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            if lacking := [name for name in NEEDED if name not in (table.fieldnames or ())]:
                raise ConfigError(f"{path}: no column {lacking[0]}", cure=f"needed: {', '.join(NEEDED)}")
            return _entries(path, table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {error}", cure="write CSV in UTF-8") from None


def _entries(path: Path, table: csv.DictReader[str]) -> list[Entry]:
    known: dict[str, Entry] = {}
    for row in table:
        entry = _entry(path, table.line_num, row)
        if known.setdefault(entry.origin, entry) != entry:
            raise ConfigError(
                f"{path}:{table.line_num}: another line has the origin {entry.origin} too",
                cure="write the id of the note or vote, not of the request",
            )
    return list(known.values())


def _entry(path: Path, line: int, row: dict[str, str | None]) -> Entry:
    values = {name: (row.get(name) or "").strip() for name in (*NEEDED, "note")}
    if empty := [name for name in NEEDED if not values[name]]:
        raise ConfigError(f"{path}:{line}: {empty[0]} is empty", cure=f"needed: {', '.join(NEEDED)}")
    try:
        asked_on = date.fromisoformat(values["asked_on"][:10])
    except ValueError:
        raise ConfigError(f"{path}:{line}: {values['asked_on']!r} is not a date", cure="write 2026-11-30") from None
    return Entry(values["request"], values["account"], asked_on, values["origin"], values["note"])
