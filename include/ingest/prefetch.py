"""Reads ahead: while what was read lands, what follows is being read."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from queue import SimpleQueue

from include.connectors.base import Page

# A reader that is asked to stop does so at once, unless it waits for its source.
_GOODBYE = 1.0


def ahead(pages: Generator[Page]) -> Iterator[Page]:
    """Give pages out while a thread reads the next one, and no more than that.

    An error comes in its turn, after the pages before it. Where nobody takes more pages, nothing is read after the
    page that is under way, and nobody waits for that one: the source may have said to come back in ten minutes.

    Args:
        pages: As read; used and closed by that thread alone.
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

    reader = threading.Thread(target=reading, name="reading ahead", daemon=True)
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
        reader.join(_GOODBYE)
