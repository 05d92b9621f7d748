"""What the field channel asks of a CRM."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from include.deliver.channels.base import Outcome

Values = Mapping[str, Any]


class Accounts(Protocol):
    """The account records of one vendor's CRM."""

    vendor: str
    batch_size: int

    def lacking(self, names: Sequence[str]) -> list[str]:
        """Return those of the properties that are not there, or that this login may not write."""

    def options(self, name: str) -> Collection[str] | None:
        """Return the only values that a property takes; None where it takes others too."""

    def read(self, ids: Sequence[str], names: Sequence[str]) -> Mapping[str, Values]:
        """Return what records hold, by id; those that are gone are left out."""

    def differing(self, wanted: Values, held: Values) -> dict[str, Any]:
        """Return what of the wanted values a record does not hold yet, as it is written."""

    def write(self, changes: Mapping[str, Values]) -> Mapping[str, Outcome]:
        """Write values, by id; return what became of each record.

        Raises:
            Refused: Nothing was written, because one of them is wrong.
        """

    def close(self) -> None:
        """Let go of connections."""
