"""Find the embedded server's process.

The pid file outlives the server, and another program may have its number since.
"""

from __future__ import annotations

import os
from pathlib import Path

from include.warehouse.embedded import files
from include.warehouse.embedded.files import Note


def postmaster(note: Note) -> tuple[int, str]:
    """Return the process id of this data folder's server and its status, or 0 if it is not running."""
    lines = _pid_file(note)
    number = _live_pid(lines)
    if not number or not _is_server_of(number, note, lines):
        return 0, ""
    return number, lines[7].strip() if len(lines) > 7 else "starting"


def number_in_use(note: Note) -> bool:
    """Return whether any process has the number in the pid file."""
    return _live_pid(_pid_file(note)) > 0


def _pid_file(note: Note) -> list[str]:
    return files.read_plain(note.data / "postmaster.pid").splitlines()


def _live_pid(lines: list[str]) -> int:
    try:
        number = int(lines[0])
        os.kill(number, 0)
    except PermissionError:  # it is alive, and belongs to another user
        return number
    except (ValueError, IndexError, OverflowError, ProcessLookupError):
        return 0
    return max(number, 0)


def _is_server_of(number: int, note: Note, lines: list[str]) -> bool:
    """Return whether a live process is the server of this folder."""
    # A copied folder has the original's pid file. A server's working directory is its own data folder, and a dead
    # server has none.
    try:
        return Path(f"/proc/{number}/cwd").samefile(note.data)
    except PermissionError:
        if not note.user and os.geteuid():
            return False  # another user's process, but this server would run as the current user
    except OSError:
        if Path("/proc/self").exists():
            return False
    # Root without ptrace rights (in a container), or no /proc: check the command line, else the pid file.
    try:
        return str(note.data) in Path(f"/proc/{number}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return len(lines) > 1 and lines[1] == str(note.data)
