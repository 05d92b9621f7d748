"""The interface of a CRM's account records to the field channel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from include.deliver.channels.base import Outcome

Values = Mapping[str, Any]


class Accounts(Protocol):
    """The account records of one vendor's CRM."""

    vendor: str
    batch_size: int

    def missing_properties(self, names: Sequence[str]) -> list[str]:
        """Return the properties that do not exist, or that this login may not write."""

    def options(self, name: str) -> Collection[str] | None:
        """Return the allowed values of a property; None if it accepts any value."""

    def read(self, ids: Sequence[str], names: Sequence[str]) -> Mapping[str, Values]:
        """Return the values of records, by id. Missing records are left out."""

    def differing(self, wanted: Values, current: Values) -> dict[str, Any]:
        """Return the wanted values that differ from a record's, in the form in which they are written."""

    def write(self, changes: Mapping[str, Values]) -> Mapping[str, Outcome]:
        """Write values, by id. Return the outcome of each record.

        Raises:
            Refused: Nothing was written, because a value is wrong.
        """

    def close(self) -> None:
        """Close connections."""
