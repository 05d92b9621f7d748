"""Write output: rich tables on a terminal, plain columns in a pipe, or JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from include.common.text import one_line

# A longer wait is reported, at intervals that double up to the longest one.
SILENT_SECONDS = 15.0
LONGEST_SILENCE = 60.0


class Waiting:
    """Prints progress of a wait: reason, duration and log file, at growing intervals.

    Args:
        say: Prints a line; to standard error by default.
    """

    def __init__(self, say: Callable[[str], object] = lambda text: print(text, file=sys.stderr)) -> None:
        self._say = say
        self._next: dict[str, float] = {}

    def __call__(self, what: str, seconds: float, log: Path) -> None:
        """Record how long a wait has lasted, and print it if it is due."""
        if seconds < SILENT_SECONDS:
            self._next[what] = SILENT_SECONDS
        elif seconds >= self._next.get(what, SILENT_SECONDS):
            self._next[what] = seconds + min(seconds, LONGEST_SILENCE)
            self._say(f"waiting for {what} for {seconds:.0f} s; see {log}")


def emit(rows: Sequence[dict[str, Any]], columns: Iterable[str], *, title: str = "", as_json: bool = False) -> None:
    """Write rows to standard output.

    Args:
        rows: The rows. Keys that are not in ``columns`` appear only in JSON.
        columns: The columns of the table, in order.
        title: A line above the table, left out of JSON.
        as_json: Write one JSON array instead.
    """
    if as_json:
        sys.stdout.write(to_json(rows))
        return
    names = list(columns)
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    if sys.stdout.isatty():
        _rich(title, names, cells)
    else:
        _plain(title, names, cells)


def to_json(value: Any) -> str:
    """Return a value as indented JSON with a line end. Values that JSON does not support become text."""
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file with personal data, readable only by its owner."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def cell(value: Any) -> str:
    """Return a value as one line of text."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return one_line(str(value))


def points(share: float | None) -> float | None:
    """Return a share in points, with one decimal."""
    return None if share is None else round(share * 100, 1)


def _rich(title: str, names: list[str], cells: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*names, title=title or None, title_justify="left", header_style="bold")
    for line in cells:
        table.add_row(*(escape(text) for text in line))
    Console().print(table)


def _plain(title: str, names: list[str], cells: list[list[str]]) -> None:
    # A longer cell moves only the rest of its own line.
    widths = [min(max(len(name), *(len(line[i]) for line in cells), 0), 80) for i, name in enumerate(names)]
    lines = [names, *cells]
    text = "".join(
        "  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )
    sys.stdout.write(f"{title}\n{text}" if title else text)
