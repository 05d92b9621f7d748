"""Check the demo's prerequisites before anything starts. Each failure gives one clear message."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.common import home as homes
from include.sandbox.demo.processes import DemoError
from include.warehouse.embedded.files import SHARED
from include.warehouse.embedded.server import free_port

# PostgreSQL's empty databases take 100 MB; its log of a first load takes 300 MB as measured, up to 2 GB at worst.
NEEDED_BYTES = 700_000_000


def make_home(home: Path) -> None:
    """Create the demo's folder, and check that it is writable and the disk has room.

    An existing folder keeps its permissions: an empty /srv is not ours to close. Everything created in it is private.

    Raises:
        ConfigError: The folder belongs to something else; it is left unchanged.
        DemoError: It is not writable, or there is no room.
    """
    try:
        homes.claim(home)
        probe = homes.entry(".probe", home)
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        raise DemoError(
            f"cannot write to {home}: {error.strerror}",
            cure="make the folder writable, or set PERENNIAL_HOME to one that is",
        ) from None
    # PostgreSQL cannot run as root in a private folder: see include/warehouse/embedded/files.py.
    for folder in {home, SHARED.parent if os.geteuid() == 0 else home}:
        free = shutil.disk_usage(folder).free
        if free < NEEDED_BYTES:
            raise DemoError(
                f"the disk of {folder} has {free // 1_000_000} MB left, the demo needs {NEEDED_BYTES // 1_000_000} MB",
                cure="free some space, or set PERENNIAL_HOME to a folder on another disk",
            )


@contextmanager
def only_one(home: Path, what: str = "demo") -> Iterator[None]:
    """Lock the folder for one launcher. The lock ends with its process, however that ends.

    Args:
        home: The folder.
        what: The launcher: ``demo`` or ``bench``. The two do not exclude each other.

    Raises:
        DemoError: Another launcher holds the lock.
    """
    path = homes.entry(f"{what}.lock", home)
    try:
        opened = path.open("a+")
    except OSError as error:
        raise DemoError(f"cannot write {path}: {error.strerror}", cure="make the file writable") from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise DemoError(
                f"a {what} already runs from this folder (process {file.read().strip() or 'unknown'})",
                cure="stop it with Ctrl-C in its terminal, or use the running one",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def choose_port(wanted: int | None, last: int) -> int:
    """Return the port for Airflow's UI.

    Args:
        wanted: The port that the user asked for.
        last: The port of the last start, reused if it is free.

    Raises:
        DemoError: The wanted port is in use.
    """
    if wanted is None:
        return last if last and _is_free(last) else free_port()
    if not _is_free(wanted):
        raise DemoError(
            f"port {wanted} is in use by another program",
            cure="stop that program, or run `make demo` without PORT to use a free one",
        )
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
