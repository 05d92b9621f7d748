"""An end for every call, however slowly the other side speaks.

A socket's time-out starts over with each byte, so that a server that drips headers or a body never trips it. Here the
connection itself is ended when the time is over, whatever is being read from it.
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
    """Ends the connections that are used within it once its time is over.

    Args:
        seconds: How long all of a call may take.
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
            for twin in self._watched:
                twin.close()
            self._watched.clear()

    def watch(self, used: socket.socket) -> None:
        """End this connection too; what ends is the connection, also where TLS is put over the socket later."""
        twin = socket.socket(fileno=os.dup(used.fileno()))
        with self._lock:
            self._watched.append(twin)
            if self.is_over:
                _shut(twin)

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for twin in self._watched:
                _shut(twin)


def watch(used: socket.socket | None) -> None:
    """Put a connection under the deadline of the call that is being made, if there is one."""
    deadline = _current.get()
    if deadline is not None and used is not None and used.fileno() >= 0:
        deadline.watch(used)


def _shut(twin: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        twin.shutdown(socket.SHUT_RDWR)
