"""Locate the embedded server's files, and keep the note that describes the server.

All files except the note are in one folder, the base: ``<home>/postgres``, or for root ``/var/lib/perennial/<id>``.
PostgreSQL refuses to run as root, and its unprivileged user cannot enter a private folder. The base follows from the
home and its id, never from the note's content, and it carries the id too. See docs/decisions/0034.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from include.common import home as homes
from include.common.errors import ConfigError, WarehouseError

# For root: the place for persistent program state (Filesystem Hierarchy Standard 3.0, 5.8). Not /var/tmp, where
# systemd-tmpfiles removes files that were unused for 30 days (tmpfiles.d/tmp.conf).
SHARED = Path("/var/lib/perennial")
_TEXTS = ("id", "binaries", "user", "password", "superuser_password")


@dataclass(frozen=True)
class Note:
    """The settings of a home's server.

    Args:
        binaries: The folder of PostgreSQL's programs.
        user: The user who runs them; "" for the current user.
        password: Password of the databases' owner.
        superuser_password: Password of the superuser, who creates the databases.
        port: The last port.
        is_ready: Whether the server's setup finished.
    """

    home: Path
    id: str
    binaries: str
    user: str
    password: str
    superuser_password: str
    port: int = 0
    is_ready: bool = False

    @property
    def base(self) -> Path:
        """The folder of all files except the note."""
        return base_of(self.home, self.id, self.user)

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder, the only part of the base that the server's user may write."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.data / "postgres.log"


def base_of(home: Path, home_id: str, user: str) -> Path:
    return SHARED / home_id if user else home / "postgres"


def note_path(home: Path) -> Path:
    return home / "postgres.json"


def read_note(home: Path) -> Note | None:
    """Return the note of a home's server, or None if there never was one.

    Raises:
        WarehouseError: The note is damaged, or the database it describes is missing.
    """
    mark = homes.read(home)
    path = note_path(home)
    try:
        found = json.loads(path.read_text())
        if mark is None or found["id"] != mark.id:
            raise ValueError(f"its id differs from the one in {home / homes.MARKER}")
        note = _parsed(home, found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise WarehouseError(
            f"the embedded PostgreSQL's note is damaged: {path}: {why}",
            cure="restore the file, which contains the database's password, from a backup;"
            " if you do not need the warehouse, `make clean` removes it",
        ) from None
    if other := _other_home(home, mark, note.base):
        raise WarehouseError(
            f"{home} is a copy of {other}, and its note points to that folder's database",
            cure="run the command in the original; or run `make clean` here, which removes only this copy",
        )
    if note.is_ready:
        _check_data(note)
    return note


def write_note(note: Note) -> None:
    """Write the note atomically, readable by its owner only."""
    path = note_path(note.home)
    temporary = path.with_suffix(".tmp")
    kept = {name: value for name, value in vars(note).items() if name != "home"}
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(kept, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def check_no_base(note: Note) -> None:
    """Check that the base does not exist yet.

    Raises:
        WarehouseError: It exists.
    """
    if os.path.lexists(note.base):
        raise WarehouseError(
            f"{note.base} exists, but the note {note_path(note.home)} that describes its database is missing",
            cure="restore the note if the folder is the warehouse, else move the folder away; or set PERENNIAL_HOME",
        )


def create_base(note: Note) -> None:
    """Create the base and mark it with the home's id.

    Raises:
        WarehouseError: Something that Perennial did not create is in its place.
        OSError: It cannot be created.
    """
    check_no_base(note)
    base = note.base
    base.parent.mkdir(mode=0o755, exist_ok=True)
    base.mkdir(mode=0o700)
    write_label(note)
    if note.user:  # other users may enter it but not write, whatever the umask
        base.parent.chmod(0o755)
        base.chmod(0o755)


def write_label(note: Note) -> None:
    """Record the home in its base, so that a home that moved still owns it and its copies do not."""
    text = "\n".join((note.id, str(note.home), _inode(note.home)))
    path = note.base / homes.MARKER
    if read_plain(path) != text:
        path.write_text(text)


def remove_base(home: Path, mark: homes.Mark, user: str) -> None:
    """Remove the base if it carries the home's id or is empty.

    Raises:
        ConfigError: It cannot be removed, or this home may be a copy of the one that owns it.
    """
    base = base_of(home, mark.id, user)
    label = _label(base)
    is_elsewhere = label.home not in ("", str(home)) and not Path(label.home).exists()
    if home not in base.parents and is_elsewhere and label.inode != _inode(home):
        raise ConfigError(
            f"{base} contains the database of {label.home}, which no longer exists: {home} may be that folder, moved,"
            " or a copy of it",
            cure="if it was moved, start its database once (`./perennial server start`), then run the command again; if"
            f" it is a copy, remove {home} by hand",
        )
    if is_ours(base, home, mark):
        homes.remove(base)
    else:
        with contextlib.suppress(OSError):
            base.rmdir()  # a base whose creation was interrupted before the mark is empty


def is_ours(base: Path, home: Path, mark: homes.Mark) -> bool:
    """Return whether a base carries its home's id. A base outside a copied home belongs to the original."""
    if base.is_symlink() or (home not in base.parents and _other_home(home, mark, base)):
        return False
    return _label(base).id == mark.id


class _Label(NamedTuple):
    """The home that a base records.

    Args:
        inode: Device and inode of the home, which a moved home keeps and a copy does not have.
    """

    id: str = ""
    home: str = ""
    inode: str = ""


def _label(base: Path) -> _Label:
    return _Label(*read_plain(base / homes.MARKER).splitlines()[:3])


def _other_home(home: Path, mark: homes.Mark, base: Path) -> str:
    """Return the folder of which a home is a copy; "" if it is none.

    The home's mark names where it was copied from. That folder may have moved since; a base outside names where to.
    """
    recorded = "" if home in base.parents else _label(base).home
    candidates = [mark.home, recorded] if recorded else [mark.home]
    return next((one for one in candidates if homes.is_copy(home, replace(mark, home=one))), "")


def _inode(folder: Path) -> str:
    found = folder.stat()
    return f"{found.st_dev}:{found.st_ino}"


def read_plain(path: Path) -> str:
    """Return a file's text, or "" if it is not a regular file: the server's user may have replaced it by a link."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), errors="replace") as file:
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else ""
    except OSError:
        return ""


def finished(note: Note) -> Note:
    """Return the note with the setup marked as finished."""
    return replace(note, is_ready=True)


def _parsed(home: Path, found: dict[str, Any]) -> Note:
    texts = {name: found[name] for name in _TEXTS}
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    if wrong or type(found["port"]) is not int or type(found["is_ready"]) is not bool:
        raise ValueError(f"{', '.join(wrong) or 'port or is_ready'} has a value of the wrong type")
    return Note(home=home, port=found["port"], is_ready=found["is_ready"], **texts)


def _check_data(note: Note) -> None:
    version = note.data / "PG_VERSION"
    if not read_plain(version).strip().isdigit():
        raise WarehouseError(
            f"the embedded PostgreSQL's data folder is missing or unreadable: {version}"
            f" (according to {note_path(note.home)}, the database was created)",
            cure="restore the folder or make it readable;"
            " if you do not need the warehouse, `make clean` removes the rest",
        )
