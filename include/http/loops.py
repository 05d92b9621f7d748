"""Loops over a vendor's answers end, whatever the vendor answers.

Each answer leads to the next one by a cursor, an offset or the last id. A vendor that gives the same cursor again, two
in turn, new ones with nothing behind them, or the same records under new ones would be asked for ever.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from include.common.errors import Unavailable

# So many pages in a row without a record that was not there before end a loop.
LONGEST_STALL = 10
# So many records are remembered, in some 20 MB. Of a loop that is longer the cursors alone tell.
_REMEMBERED = 250_000


class Loop:
    """One loop.

    Args:
        what: Vendor and endpoint, for errors: "HubSpot's list of companies".
        most_empty: So many empty pages in a row end it.
    """

    def __init__(self, what: str, most_empty: int = LONGEST_STALL) -> None:
        self._what, self._most_empty = what, most_empty
        self._cursors: set[int] = set()
        self._records: set[int] = set()
        self._n_empty = self._n_stale = 0

    def answered(self, asked: Hashable, following: Hashable, records: Iterable[Hashable]) -> None:
        """Note an answer that leads to another one.

        Args:
            asked: The cursor that was asked for.
            following: The cursor to be asked for next; None or "" ends the loop.
            records: What tells its records apart, mostly their ids.

        Raises:
            Unavailable: The loop leads nowhere.
        """
        if following in (None, ""):
            return
        self._cursors.add(hash(asked))
        if hash(following) in self._cursors:
            raise self._error("gave a cursor again that it had given before")
        self._cursors.add(hash(following))
        keys = set(map(hash, records))
        is_new = not keys <= self._records
        if len(self._records) > _REMEMBERED:
            self.forget()
        self._records |= keys
        self._n_empty = 0 if keys else self._n_empty + 1
        self._n_stale = 0 if is_new else self._n_stale + bool(keys)
        if self._n_empty >= self._most_empty:
            raise self._error(f"gave {self._n_empty} empty pages in a row, each of which led to another one")
        if self._n_stale >= LONGEST_STALL:
            raise self._error(f"gave {self._n_stale} pages in a row with no record that it had not given before")

    def forget(self) -> None:
        """Take every record as new from here on: what follows goes over them again."""
        self._records.clear()
        self._n_stale = 0

    def _error(self, said: str) -> Unavailable:
        return Unavailable(
            f"{self._what}: the vendor {said}", cure="try again later; if it stays so, report it to the vendor"
        )


class Loops:
    """The loops of one client, each known by what it asks."""

    def __init__(self) -> None:
        self._loops: dict[str, tuple[Loop, Hashable]] = {}

    def answered(self, what: str, asked: Hashable, following: Hashable, records: Iterable[Hashable]) -> None:
        """Note an answer; one to anything but the last cursor given starts a loop.

        Args:
            what: See ``Loop``.
            asked: See ``Loop.answered``.
            following: See ``Loop.answered``.
            records: See ``Loop.answered``.

        Raises:
            Unavailable: The loop leads nowhere.
        """
        loop, expected = self._loops.pop(what, (None, None))
        if loop is None or asked in (None, "") or asked != expected:
            loop = Loop(what)
        loop.answered(asked, following, records)
        self._loops[what] = (loop, following)
