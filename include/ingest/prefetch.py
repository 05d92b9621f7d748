"""Prefetch: read the next page while the previous one is being landed."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from queue import SimpleQueue

from include.connectors.base import Page

# Seconds to wait for the reading thread to stop. It stops at once, unless it is waiting for its source.
_JOIN_SECONDS = 1.0


def prefetch(pages: Generator[Page]) -> Iterator[Page]:
    """Yield pages while a thread reads one page ahead.

    An error is raised in its turn, after the pages before it. When the consumer stops, nothing is read after the
    current page, and nobody waits for that page: the source may have asked to retry in ten minutes.

    Args:
        pages: Used and closed only by the reading thread.
    """
    wanted: SimpleQueue[bool] = SimpleQueue()
    read: SimpleQueue[Page | BaseException | None] = SimpleQueue()

    def reading() -> None:
        with closing(pages):
            while wanted.get():
                try:
                    read.put(next(pages, None))
                except BaseException as error:
                    read.put(error)

    reader = threading.Thread(target=reading, name="prefetch", daemon=True)
    reader.start()
    try:
        wanted.put(True)
        while (page := read.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            wanted.put(True)
            yield page
    finally:
        wanted.put(False)
        reader.join(_JOIN_SECONDS)
