"""A total time limit for each call, however slowly the server responds.

A socket's timeout restarts with each byte, so a server that drips headers or a body never trips it. Here the connection
itself is shut down when the time is over, whatever is being read from it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from contextvars import ContextVar, Token
from types import TracebackType

_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


class Deadline:
    """Shut down the connections used within it when its time is over.

    Args:
        seconds: Limit for the whole call.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []

    def __enter__(self) -> Deadline:
        self._token: Token[Deadline | None] = _current.set(self)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _current.reset(self._token)
        with self._lock:
            for duplicate in self._watched:
                duplicate.close()
            self._watched.clear()

    def watch(self, connection: socket.socket) -> None:
        """Shut down this connection too, at the deadline.

        A duplicate descriptor is kept, so it also works when TLS wraps the socket later.
        """
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._watched.append(duplicate)
            if self.is_over:
                _shut_down(duplicate)

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for duplicate in self._watched:
                _shut_down(duplicate)


def watch(connection: socket.socket | None) -> None:
    """Put a connection under the deadline of the current call, if there is one."""
    deadline = _current.get()
    if deadline is not None and connection is not None and connection.fileno() >= 0:
        deadline.watch(connection)


def _shut_down(duplicate: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the server closed it first
        duplicate.shutdown(socket.SHUT_RDWR)
