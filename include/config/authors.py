"""Who last changed a file of the overlay: they may not approve what their change has led to."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path

from include.config import files

_GIT_SECONDS = 10


def of(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return names and addresses of those who last changed some files; files that came with Perennial have none.

    Args:
        paths: Files in force.
    """
    above = files.overlay()
    found: set[str] = set()
    for path in set(paths):
        if above and path.is_relative_to(above) and path.is_file():
            found.update(_committed_by(path) or _owned_by(path))
    return tuple(sorted(found))


def _committed_by(path: Path) -> list[str]:
    """Return the author of the last commit; nobody without a working copy, or where the file has changed since."""
    changed = _git(path, "status", "--porcelain", "--", path.name)
    if changed is None or changed:
        return []
    return _git(path, "log", "-1", "--format=%an%n%ae", "--", path.name) or []


def _git(path: Path, *arguments: str) -> list[str] | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(path.parent), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [line for line in done.stdout.splitlines() if line]


def _owned_by(path: Path) -> list[str]:
    try:
        return [pwd.getpwuid(path.stat().st_uid).pw_name]
    except KeyError:  # a user of another machine or container
        return []
