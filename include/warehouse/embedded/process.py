"""Which process is the embedded server: its pid file outlives it, and its number may be another program's by now."""

from __future__ import annotations

import os
from pathlib import Path

from include.warehouse.embedded import files
from include.warehouse.embedded.files import Note


def postmaster(note: Note) -> tuple[int, str]:
    """Return the process id of the server of exactly this data folder, and its status; 0 if there is none."""
    lines = _pid_file(note)
    number = _living(lines)
    if not number or not _works_in(number, note, lines):
        return 0, ""
    return number, lines[7].strip() if len(lines) > 7 else "starting"


def number_in_use(note: Note) -> bool:
    """Say whether any process has the number that the pid file names."""
    return _living(_pid_file(note)) > 0


def _pid_file(note: Note) -> list[str]:
    return files.read_plain(note.data / "postmaster.pid").splitlines()


def _living(lines: list[str]) -> int:
    try:
        number = int(lines[0])
        os.kill(number, 0)
    except PermissionError:  # it lives, and belongs to another user
        return number
    except (ValueError, IndexError, OverflowError, ProcessLookupError):
        return 0
    return max(number, 0)


def _works_in(number: int, note: Note, lines: list[str]) -> bool:
    """Say whether a living process is the server of this folder."""
    # A copied folder has the original's file: the server of this folder works in this folder, and a dead one nowhere.
    try:
        return Path(f"/proc/{number}/cwd").samefile(note.data)
    except PermissionError:
        if not note.user and os.geteuid():
            return False  # another user's, and this server would be our own
    except OSError:
        if Path("/proc/self").exists():
            return False
    # Root without the right to look (a container's), or no /proc: what it was started with, else what the file says.
    try:
        return str(note.data) in Path(f"/proc/{number}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return len(lines) > 1 and lines[1] == str(note.data)
