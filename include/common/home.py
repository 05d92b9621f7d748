"""The folder of everything Perennial writes: marked with an id when it is made, cleared entry by entry, by name.

Only a folder that has the mark is ever cleared, and of it only ``ENTRIES``. The mark notes where the folder was, so
that a copy of a project is distinguished from the project that was moved: what is outside belongs to the original.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import stat
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from include.common import paths
from include.common.errors import ConfigError

MARKER = ".perennial-home"
# All that Perennial makes in its folder; `entry` hands out no other name, so that `clear` forgets none. The database
# has a mark of its own: warehouse/server.py removes it.
ENTRIES = (
    *("airflow", "bench", "cache", "limits", "logs", "overlay", "sandbox", "tokens", ".probe"),
    *("bench.lock", "demo.json", "demo.json.tmp", "demo.lock", "demo-environment.json", "demo-environment.json.tmp"),
    *("postgres.json", "postgres.tmp", "postgres.lock"),
)


@dataclass(frozen=True)
class Mark:
    """What the marker of a folder says.

    Args:
        id: Random, made with the folder; what belongs to the folder but is elsewhere has it too.
        home: Where the folder was when it was marked.
        is_made: Whether Perennial made the folder itself, and may remove it when it is empty.
    """

    id: str
    home: str
    is_made: bool = False


def read(folder: Path) -> Mark | None:
    """Return what a folder's marker says, or None where there is none.

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
        raise _of_another(folder, folder.stat().st_uid) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"cannot read {path}, which says that the folder is Perennial's: {error}",
            cure="restore the file, or remove the folder by hand if nothing in it is needed",
        ) from None


def see_owner(folder: Path) -> None:
    """Make sure that the folder was marked by the user who asks, if it is marked.

    PostgreSQL runs for one user only, and files that root leaves among those of somebody else keep him out.

    Raises:
        ConfigError: It is another user's.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        owner = (folder / MARKER).stat().st_uid
        if owner != os.geteuid():
            raise _of_another(folder, owner)


def claim(folder: Path) -> Mark:
    """Make the folder and mark it, or see that it is marked.

    Raises:
        ConfigError: It must not be Perennial's: somebody's home, around the project, in use for other things, a copy,
            open to everybody, another user's.
        OSError: It cannot be made or written.
    """
    folder = folder.resolve()
    _refuse_wide(folder)
    is_made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if read(folder) is None:
        if others := _others(folder):
            raise _not_ours(folder, others)
        _refuse_open(folder)
    see_owner(folder)
    with os.fdopen(os.open(folder / MARKER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two may begin at once; the second finds the first one's mark
        mark = read(folder)
        if mark is None:
            mark = Mark(uuid.uuid4().hex, str(folder), is_made)
        elif is_copy(folder, mark):
            raise ConfigError(
                f"{folder} is a copy of {mark.home}, with that folder's database in its notes",
                cure="run `make clean` in the copy: it removes what was copied and leaves the original as it is",
            )
        elif mark.home != str(folder):  # the folder was moved
            mark = Mark(mark.id, str(folder), mark.is_made)
        file.seek(0)
        file.write(json.dumps(asdict(mark)))
        file.truncate()
    return mark


def entry(name: str, folder: Path | None = None) -> Path:
    """Return one of ``ENTRIES`` of the folder, which is made and marked if it is missing or empty.

    A folder in use for other things stays unmarked: it may be written to and is never cleared.
    """
    if name not in ENTRIES:
        raise ValueError(f"{name} is not in ENTRIES")
    folder = folder or paths.home()
    if not (folder / MARKER).exists():
        # Anyone who writes into the entry says what is wrong with the folder.
        with contextlib.suppress(OSError, ConfigError):
            claim(folder)
    return folder / name


def is_copy(folder: Path, mark: Mark) -> bool:
    """Say whether the folder was copied from one that is still there."""
    origin = Path(mark.home)
    try:
        if mark.home == str(folder) or not origin.exists() or origin.samefile(folder):
            return False
        other = read(origin)
    except (OSError, ConfigError):
        return True  # it is there, and nobody can tell whose it is
    return other is not None and other.id == mark.id


def clear(folder: Path) -> list[str]:
    """Remove what Perennial has made in its folder, and the folder if it made that too and nothing else is in it.

    Returns:
        The names of what was left because Perennial did not make it.

    Raises:
        ConfigError: The folder is not Perennial's, or something in it cannot be removed.
    """
    folder = folder.resolve()
    if not folder.exists():
        return []
    _refuse_wide(folder)
    mark = read(folder)
    if mark is None:
        others = _others(folder)
        if others:
            raise _not_ours(folder, others)
        with contextlib.suppress(FileNotFoundError):
            (folder / MARKER).unlink()
        return []
    see_owner(folder)
    for name in ENTRIES:
        remove(folder / name)
    others = _others(folder)
    remove(folder / MARKER)  # last: a clearing that was interrupted can be repeated
    if mark.is_made and not others:
        folder.rmdir()
    return others


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; of a link only the link.

    Raises:
        ConfigError: It cannot be removed.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        elif path.is_mount():
            raise OSError("another file system is mounted there")
        else:
            shutil.rmtree(path)
    except OSError as error:
        raise ConfigError(
            f"cannot remove {path}: {error.strerror or error}", cure="remove it by hand, then run the command again"
        ) from None


def _parsed(text: str) -> Mark:
    found = json.loads(text)
    mark = Mark(found["id"], found["home"], found["is_made"] is True)
    if not (isinstance(mark.home, str) and isinstance(mark.id, str) and len(mark.id) == 32 and mark.id.isalnum()):
        raise ValueError("it holds no id")
    return mark


def _others(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name not in (MARKER, "lost+found"))


def _refuse_wide(folder: Path) -> None:
    """Refuse folders in which nobody would look for Perennial's files alone."""
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


def _refuse_open(folder: Path) -> None:
    """Refuse a folder in which everybody may write, such as an empty /tmp; one that is there keeps its rights."""
    if folder.stat().st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"{folder} cannot be Perennial's folder: everybody may write in it",
            cure=f"set PERENNIAL_HOME to a folder that is not there yet, such as {folder / 'perennial'}",
        )


def _of_another(folder: Path, owner: int) -> ConfigError:
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    return ConfigError(
        f"{folder} belongs to the user {name}, who made it for Perennial",
        cure="run the command as that user, or set PERENNIAL_HOME to a folder of your own",
    )


def _not_ours(folder: Path, others: list[str]) -> ConfigError:
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return ConfigError(
        f"{folder} is not marked as Perennial's (no {MARKER}) and is not empty: it holds {shown}",
        cure="set PERENNIAL_HOME to a new or empty folder; if an earlier version of Perennial made this one,"
        " stop what runs from it and remove it by hand",
    )
