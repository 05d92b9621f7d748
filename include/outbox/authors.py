"""Find out who changed the overlay: they may not approve the effects of their own change.

Every file of the overlay counts, and every commit since the state that somebody else approved last. A commit of white
space on top therefore hides nothing. Without that history the authors are unknown, and the result says so.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from include.config import files

_GIT_SECONDS = 10
# The people whose changes are checked can write the overlay's own .git/config, so git must run nothing that it names.
# No command below runs filters or shows diffs. https://git-scm.com/docs/git-config, https://git-scm.com/docs/git
_GIT_OPTIONS = tuple(
    part
    for setting in ("safe.directory=*", "core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false")
    for part in ("-c", setting)
)
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class OverlayAuthors:
    """The people who changed the overlay.

    Args:
        by: Names and addresses of authors and committers.
        is_known: Whether the list is complete. It is not if a change is uncommitted or the history is missing.
    """

    by: tuple[str, ...] = ()
    is_known: bool = True


def state() -> dict[str, str]:
    """Return the identity of the overlay: a digest of all its files, "" without any, and its commit."""
    folder = files.overlay()
    contents = _contents(folder) if folder else {}
    if not folder or not contents:
        return {"digest": "", "commit": ""}
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return {"digest": digest.hexdigest(), "commit": _line(folder, "rev-parse", "--verify", "HEAD")}


def since(base: Mapping[str, Any] | None = None) -> OverlayAuthors:
    """Return the people who changed the overlay.

    Args:
        base: The approved state, as returned by ``state``. None if none was approved: then all of the overlay is a
            change.
    """
    now, before = state(), base or {}
    if now["digest"] == before.get("digest", ""):
        return OverlayAuthors()
    folder = files.overlay()
    if folder is None:
        return OverlayAuthors(is_known=False)  # the overlay was removed
    if not now["commit"]:
        return OverlayAuthors(_owners(folder, _contents(folder)), is_known=False)
    uncommitted = _uncommitted(folder)
    is_ancestor = (
        bool(before.get("commit"))
        and _git(folder, "merge-base", "--is-ancestor", str(before["commit"]), "HEAD") is not None
    )
    span = f"{before['commit']}..HEAD" if is_ancestor else "HEAD"
    log = _git(folder, "log", "--full-history", "--format=%an%n%ae%n%cn%n%ce", span, "--", ".")
    # If the approved commit is not an ancestor of HEAD, the history was rewritten, and authors may be missing from it.
    # A shallow history may lack commits that a merge brought in, even since the approved commit.
    is_rewritten = bool(before.get("commit")) and not is_ancestor
    is_incomplete = is_rewritten or _line(folder, "rev-parse", "--is-shallow-repository") != "false"
    names = {line.strip() for line in (log or "").splitlines() if line.strip()}
    names.update(_owners(folder, uncommitted))
    return OverlayAuthors(tuple(sorted(names)), is_known=bool(log) and not uncommitted and not is_incomplete)


def _contents(folder: Path) -> dict[str, bytes]:
    """Return every file that can be in force. Links are followed as in ``files.listing``."""
    found: dict[str, bytes] = {}
    seen = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, followlinks=True):
        below = Path(place).relative_to(folder)
        followed = []
        for name in sorted(folders):
            target = os.path.realpath(os.path.join(place, name))
            if not _is_counted(below / name / "x"):
                continue
            if target in seen:  # counted under another name: here only its target counts
                found[(below / name).as_posix()] = target.encode()
                continue
            seen.add(target)
            followed.append(name)
        folders[:] = followed
        for name in sorted(names):
            path = Path(place) / name
            if path.is_file() and _is_counted(below / name):
                found[(below / name).as_posix()] = path.read_bytes()
    return found


def _is_counted(name: PurePath) -> bool:
    """Return whether a file can have an effect: it is not in a hidden folder such as .git, and no compiled module."""
    return not any(part.startswith(".") for part in name.parts[:-1]) and name.suffix != ".pyc"


def _uncommitted(folder: Path) -> list[str]:
    """Return the files that differ from the last commit, compared by git's hash of their content."""
    listed = _git(folder, "ls-tree", "-r", "-z", "HEAD")
    committed = {}
    for entry in (listed or "").split("\0"):
        facts, _, name = entry.partition("\t")
        if name:
            committed[name] = facts.split()[2]
    contents = _contents(folder)
    different = [name for name, content in contents.items() if _hash(content, committed.get(name, "")) is False]
    return different + [name for name in committed.keys() - contents.keys() if _is_counted(PurePath(name))]


def _hash(content: bytes, expected: str) -> bool:
    made = hashlib.sha256 if len(expected) == 64 else hashlib.sha1
    return made(b"blob %d\0" % len(content) + content).hexdigest() == expected


def _line(folder: Path, *arguments: str) -> str:
    return (_git(folder, *arguments) or "").strip()


def _git(folder: Path, *arguments: str) -> str | None:
    """Return git's output; None if git is not installed or fails, or the folder is not a working copy."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "--no-pager", *_GIT_OPTIONS, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            check=True,
            env=inherited | _ENVIRONMENT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _owners(folder: Path, names: Any) -> tuple[str, ...]:
    """Return the logins that own these files. This is a hint only: files belong to the person who installed them."""
    found = set()
    for name in names:
        try:
            found.add(pwd.getpwuid((folder / name).stat().st_uid).pw_name)
        except (KeyError, OSError):  # a user of another machine or container, or a missing file
            continue
    return tuple(sorted(found))
