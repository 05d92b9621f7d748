"""Manage the folder for everything Perennial writes.

Perennial marks the folder with an id when it creates it. ``clear`` only touches a marked folder, and there only the
names in ``ENTRIES``. The marker records the folder's path, to tell a copied project from a moved one: files outside the
folder belong to the original.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import stat
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from include.common import paths
from include.common.errors import ConfigError

MARKER = ".perennial-home"
MOUNTS = Path("/proc/self/mountinfo")
# Everything Perennial writes into its folder. `entry` refuses other names, so `clear` misses nothing. The database
# folder has its own marker, and warehouse/embedded/server.py removes it.
ENTRIES = (
    *("airflow", "bench", "cache", "limits", "logs", "overlay", "sandbox", "tokens", ".probe"),
    *("bench.lock", "demo.json", "demo.json.tmp", "demo.lock", "demo-environment.json", "demo-environment.json.tmp"),
    *("postgres.json", "postgres.tmp", "postgres.lock"),
)


@dataclass(frozen=True)
class Mark:
    """The content of a folder's marker.

    Args:
        id: Random, created with the folder. Files that belong to the folder but live elsewhere carry the same id.
        home: The folder's path when it was marked.
        is_made: Whether Perennial created the folder, and may remove it when it is empty.
    """

    id: str
    home: str
    is_made: bool = False


def read(folder: Path) -> Mark | None:
    """Return a folder's mark, or None if it has no marker.

    Raises:
        ConfigError: The marker cannot be read.
    """
    path = folder / MARKER
    try:
        text = path.read_text()
        return _parsed(text) if text else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise _wrong_owner(folder, folder.stat().st_uid) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"cannot read {path}, the marker of Perennial's folder: {error}",
            cure="restore the file, or delete the folder if you need nothing in it",
        ) from None


def check_owner(folder: Path) -> None:
    """Check that a marked folder belongs to the current user.

    PostgreSQL runs as one user only, and files that root leaves in another user's folder lock that user out.

    Raises:
        ConfigError: The folder belongs to another user.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        owner = (folder / MARKER).stat().st_uid
        if owner != os.geteuid():
            raise _wrong_owner(folder, owner)


def claim(folder: Path) -> Mark:
    """Create and mark the folder, or check its existing mark.

    Raises:
        ConfigError: The folder is unsafe: a home folder, a parent of the project, in use for something else, a copy,
            world-writable, or another user's.
        OSError: The folder cannot be created or written.
    """
    folder = folder.resolve()
    _refuse_broad(folder)
    is_made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if read(folder) is None:
        if others := _others(folder):
            raise _not_marked(folder, others)
        _refuse_world_writable(folder)
    check_owner(folder)
    with os.fdopen(os.open(folder / MARKER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two processes may start at once; the second finds the first one's mark
        mark = read(folder)
        if mark is None:
            mark = Mark(uuid.uuid4().hex, str(folder), is_made)
        elif is_copy(folder, mark):
            raise ConfigError(
                f"{folder} is a copy of {mark.home}, and its notes point to that folder's database",
                cure="run `make clean` in the copy: it removes the copy and leaves the original untouched",
            )
        elif mark.home != str(folder):  # the folder was moved
            mark = Mark(mark.id, str(folder), mark.is_made)
        file.seek(0)
        file.write(json.dumps(asdict(mark)))
        file.truncate()
    return mark


def entry(name: str, folder: Path | None = None) -> Path:
    """Return the path of one of ``ENTRIES``. Create and mark the folder first if it is missing or empty.

    A folder in use for something else stays unmarked. It may be written to but is never cleared.
    """
    if name not in ENTRIES:
        raise ValueError(f"{name} is not in ENTRIES")
    folder = folder or paths.home()
    if not (folder / MARKER).exists():
        # Whoever writes into the entry gets the real error.
        with contextlib.suppress(OSError, ConfigError):
            claim(folder)
    return folder / name


def is_copy(folder: Path, mark: Mark) -> bool:
    """Return whether the folder was copied from one that still exists."""
    origin = Path(mark.home)
    try:
        if mark.home == str(folder) or not origin.exists() or origin.samefile(folder):
            return False
        other = read(origin)
    except (OSError, ConfigError):
        return True  # the original exists, but its owner is unknown
    return other is not None and other.id == mark.id


def clear(folder: Path) -> list[str]:
    """Remove everything Perennial wrote into its folder, then the folder if Perennial created it and it is empty.

    Returns:
        The names left in place because Perennial did not create them.

    Raises:
        ConfigError: The folder is not Perennial's, or an entry cannot be removed.
    """
    folder = folder.resolve()
    if not folder.exists():
        return []
    _refuse_broad(folder)
    mark = read(folder)
    if mark is None:
        others = _others(folder)
        if others:
            raise _not_marked(folder, others)
        with contextlib.suppress(FileNotFoundError):
            (folder / MARKER).unlink()
        return []
    check_owner(folder)
    for name in ENTRIES:
        remove(folder / name)
    others = _others(folder)
    remove(folder / MARKER)  # last, so that an interrupted clear can be repeated
    if mark.is_made and not others:
        folder.rmdir()
    return others


def remove(path: Path) -> None:
    """Remove a file, or a folder with its contents. Of a link, remove only the link.

    Raises:
        ConfigError: It cannot be removed.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        elif mounted := _mounted(path.resolve()):
            raise OSError(f"something is mounted at {mounted}")
        else:
            shutil.rmtree(path)
    except OSError as error:
        raise ConfigError(
            f"cannot remove {path}: {error.strerror or error}", cure="unmount or delete it, then run the command again"
        ) from None


def _mounted(folder: Path) -> str:
    """Return a place at or below a folder where something is mounted, since that belongs to somebody else; "" if none.

    Only the list of Linux names a folder of the same file system, too: proc_pid_mountinfo(5).
    """
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return next((place for place, _, _ in os.walk(folder) if os.path.ismount(place)), "")
    places = (re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), line.split()[4]) for line in lines)
    return next((place for place in places if Path(place).is_relative_to(folder)), "")


def _parsed(text: str) -> Mark:
    found = json.loads(text)
    mark = Mark(found["id"], found["home"], found["is_made"] is True)
    if not (isinstance(mark.home, str) and isinstance(mark.id, str) and len(mark.id) == 32 and mark.id.isalnum()):
        raise ValueError("it contains no id")
    return mark


def _others(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name not in (MARKER, "lost+found"))


def _refuse_broad(folder: Path) -> None:
    """Refuse a folder that holds more than Perennial's files."""
    user_home = Path(os.path.expanduser("~")).resolve()
    if folder == Path(folder.anchor):
        reason = "it is the root of the file system"
    elif folder == user_home:
        reason = "it is your home folder"
    elif folder in user_home.parents:
        reason = "your home folder is in it"
    elif folder in (paths.ROOT, *paths.ROOT.parents):
        reason = "the project is in it"
    else:
        return
    raise ConfigError(
        f"{folder} cannot be Perennial's folder: {reason}", cure="set PERENNIAL_HOME to a new or empty folder"
    )


def _refuse_world_writable(folder: Path) -> None:
    """Refuse a world-writable folder, such as an empty /tmp. Existing folders keep their permissions."""
    if folder.stat().st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"{folder} cannot be Perennial's folder: it is world-writable",
            cure=f"set PERENNIAL_HOME to a folder that does not exist yet, such as {folder / 'perennial'}",
        )


def _wrong_owner(folder: Path, owner: int) -> ConfigError:
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    return ConfigError(
        f"{folder} belongs to the user {name}, who created it for Perennial",
        cure="run the command as that user, or set PERENNIAL_HOME to a folder of your own",
    )


def _not_marked(folder: Path, others: list[str]) -> ConfigError:
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return ConfigError(
        f"{folder} is not marked as Perennial's (no {MARKER}) and is not empty: it contains {shown}",
        cure="set PERENNIAL_HOME to a new or empty folder; if an earlier version of Perennial created this one,"
        " stop the processes that use it and delete it",
    )
