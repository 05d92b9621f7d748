"""State that processes share: counts of calls and tokens, in files of one machine or in the warehouse."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Literal, Protocol

import psycopg
import sqlalchemy as sa

from include import config
from include.common import home
from include.common.errors import ConfigError
from include.warehouse.engine import engine, readable


@dataclass
class Held:
    """A state that no other process changes meanwhile.

    Args:
        content: What is stored; empty at first. What it is at the end is stored.
        now: The store's own time in seconds since the epoch; None if it has none.
    """

    content: bytes
    now: float | None = None


class Shared(Protocol):
    """Where one state is kept."""

    def changing(self, seconds: float | None = None) -> contextlib.AbstractContextManager[Held]:
        """Lock the state, and store it at the end.

        Args:
            seconds: The longest wait for the lock, after which the state is empty and not stored. None: a file waits
                without end, the warehouse for its ``lock_timeout``.
        """
        ...


@dataclass(frozen=True)
class InFile:
    """A file, changed under ``flock``: for processes that share the folder."""

    path: Path

    @contextlib.contextmanager
    def changing(self, seconds: float | None = None) -> Iterator[Held]:
        """See ``Shared``.

        Raises:
            ConfigError: The folder is not writable.
        """
        try:
            file = self._open()
        except OSError as error:
            raise ConfigError(
                f"cannot write {self.path}: {error.strerror}",
                cure="make the folder writable, or set PERENNIAL_HOME to another one",
            ) from None
        with file:
            is_locked = _lock(file, seconds)
            held = Held(file.read() if is_locked else b"")
            before = held.content
            yield held
            if is_locked and held.content != before:
                file.seek(0)
                file.write(held.content)
                file.truncate()

    def _open(self) -> BufferedRandom:
        try:
            return os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._open()


def _lock(file: BufferedRandom, seconds: float | None) -> bool:
    if seconds is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
    return False


@dataclass(frozen=True)
class InWarehouse:
    """A row of the warehouse, whose clock decides: for workers on several machines."""

    name: str

    @contextlib.contextmanager
    def changing(self, seconds: float | None = None) -> Iterator[Held]:
        """See ``Shared``.

        Raises:
            WarehouseError: The warehouse does not answer.
        """
        held = None
        try:
            with engine("loader").begin() as connection:
                held = self._locked(connection, seconds)
                before = held.content
                yield held
                if held.content != before:
                    connection.execute(_WRITE, {"name": self.name, "content": held.content})
        except sa.exc.SQLAlchemyError as error:
            is_taken = isinstance(getattr(error, "orig", None), psycopg.errors.LockNotAvailable)
            if held or seconds is None or not is_taken:
                raise readable(error) from None
            yield Held(b"")

    def _locked(self, connection: sa.Connection, seconds: float | None) -> Held:
        if seconds is not None:
            connection.execute(_LONGEST_WAIT, {"wait": f"{int(seconds * 1000)}ms"})
        row = connection.execute(_READ, {"name": self.name}).one_or_none()
        if row is None:
            connection.execute(_ADD, {"name": self.name})
            row = connection.execute(_READ, {"name": self.name}).one()
        return Held(bytes(row.content), float(row.now))


_LONGEST_WAIT = sa.text("select set_config('lock_timeout', :wait, true)")
_READ = sa.text(
    "select content, extract(epoch from clock_timestamp()) as now from meta.shared_state where name = :name for update"
)
_ADD = sa.text("insert into meta.shared_state (name) values (:name) on conflict do nothing")
_WRITE = sa.text("update meta.shared_state set content = :content, changed_at = now() where name = :name")


def of(kind: Literal["limits", "tokens"], name: str) -> Shared:
    """Return the state of that name, where ``shared_state`` in the settings keeps it.

    Args:
        kind: What the state is.
        name: Its name; without secrets.
    """
    if config.load().shared_state == "database":
        return InWarehouse(f"{kind}/{name}")
    return InFile(home.entry(kind) / name)
