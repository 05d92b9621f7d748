"""End every pagination loop, whatever the vendor returns.

Each response leads to the next one by a cursor, an offset or the last id. A loop would never end if the vendor repeated
a cursor, alternated between two, returned new cursors with empty pages, or the same records under new cursors.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from include.common.errors import Unavailable

# A loop ends after this many pages in a row without a new record.
MAX_STALLED_PAGES = 10
# Maximum number of remembered records, about 20 MB. In a longer loop, only repeated cursors are sure to be noticed.
_MAX_REMEMBERED = 250_000


class Loop:
    """Detect a pagination loop that makes no progress.

    Args:
        what: Vendor and endpoint, for errors: "HubSpot's list of companies".
        max_empty: The loop ends after this many empty pages in a row.
    """

    def __init__(self, what: str, max_empty: int = MAX_STALLED_PAGES) -> None:
        self._what, self._max_empty = what, max_empty
        self._cursors: set[int] = set()
        self._records: set[int] = set()
        self._n_empty = self._n_stale = 0

    def check(self, asked: Hashable, following: Hashable, records: Iterable[Hashable]) -> None:
        """Note a response that leads to another one.

        Args:
            asked: The requested cursor.
            following: The next cursor; None or "" ends the loop.
            records: Keys of its records, usually their ids.

        Raises:
            Unavailable: The loop makes no progress.
        """
        if following in (None, ""):
            return
        self._cursors.add(hash(asked))
        if hash(following) in self._cursors:
            raise self._error("returned a cursor that it had returned before")
        self._cursors.add(hash(following))
        keys = set(map(hash, records))
        is_new = not keys <= self._records
        if len(self._records) > _MAX_REMEMBERED:
            self.forget()
        self._records |= keys
        self._n_empty = 0 if keys else self._n_empty + 1
        self._n_stale = 0 if is_new else self._n_stale + bool(keys)
        if self._n_empty >= self._max_empty:
            raise self._error(f"returned {self._n_empty} empty pages in a row, each with a next page")
        if self._n_stale >= MAX_STALLED_PAGES:
            raise self._error(f"returned {self._n_stale} pages in a row without a new record")

    def forget(self) -> None:
        """Count every record as new from here on, because the following pages repeat earlier ones."""
        self._records.clear()
        self._n_stale = 0

    def _error(self, problem: str) -> Unavailable:
        return Unavailable(
            f"{self._what}: the vendor {problem}", cure="try again later; if it persists, report it to the vendor"
        )


class Loops:
    """The pagination loops of one client, by endpoint."""

    def __init__(self) -> None:
        self._loops: dict[str, tuple[Loop, Hashable]] = {}

    def check(self, what: str, asked: Hashable, following: Hashable, records: Iterable[Hashable]) -> None:
        """Note a response. A request for any cursor other than the last one returned starts a new loop.

        Args:
            what: Vendor and endpoint, as for ``Loop``.
            asked: The requested cursor.
            following: The next cursor; None or "" ends the loop.
            records: Keys of its records, usually their ids.

        Raises:
            Unavailable: The loop makes no progress.
        """
        loop, expected = self._loops.pop(what, (None, None))
        if loop is None or asked in (None, "") or asked != expected:
            loop = Loop(what)
        loop.check(asked, following, records)
        self._loops[what] = (loop, following)
