"""The data read from a CRM to propose a mapping: schema, pipelines, and a sample of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Kind = Literal["text", "number", "date", "choice", "flag", "reference", "other"]


@dataclass(frozen=True)
class Property:
    """One property of an object.

    Args:
        name: Its name in the API.
        label: Its name in the UI.
        kind: Its type, by the schema.
        options: For a choice, value -> label.
        is_own: Whether it is a custom property.
    """

    name: str
    label: str = ""
    kind: Kind = "text"
    options: Mapping[str, str] = field(default_factory=dict)
    is_own: bool = False


@dataclass(frozen=True)
class Row:
    """One record of the sample.

    Args:
        values: Property -> value, as returned by the CRM. Empty values may be missing.
        parent: A line's deal or a deal's company; "" if there is none.
    """

    id: str
    values: Mapping[str, Any]
    parent: str = ""


@dataclass(frozen=True)
class Pipeline:
    """One pipeline of deals.

    Args:
        id: The id used in deals.
        label: Its name in the UI.
    """

    id: str
    label: str


@dataclass
class Portal:
    """The schema and the sample of one CRM.

    Args:
        vendor: The CRM's vendor.
        today: The day of reading.
        schema: Entity -> the properties of its object, by name.
        rows: Entity -> its sample.
        pipelines: Of deals.
        contract_objects: Objects that hold contracts themselves -> number of records; None if it is not reported.
        objects: Entity -> the object used for it, if that is not the vendor's usual one.
        unread: What could not be read, and why.
    """

    vendor: str
    today: date
    schema: dict[str, dict[str, Property]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    pipelines: tuple[Pipeline, ...] = ()
    contract_objects: dict[str, int | None] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def customers(self) -> list[Row]:
        """Return the companies that look like customers, or the whole sample if none does."""
        buyers = {deal.parent for deal in self.won_deals()}
        found = [row for row in self.rows.get("account", []) if row.id in buyers or _is_customer(row)]
        return found or self.rows.get("account", [])

    def won_deals(self) -> list[Row]:
        return [row for row in self.rows.get("opportunity", []) if is_won(row)]

    def lines_of(self) -> dict[str, list[Row]]:
        """Return deal -> its lines."""
        found: dict[str, list[Row]] = {}
        for line in self.rows.get("contract_line", []):
            if line.parent:
                found.setdefault(line.parent, []).append(line)
        return found

    def relevant(self, entity: str) -> list[Row]:
        """Return the rows of an entity that may hold contracts: customers, won deals, lines of deals."""
        if entity == "account":
            return self.customers()
        if entity == "opportunity":
            return self.won_deals()
        rows = self.rows.get(entity, [])
        if entity == "contract_line":
            won = {deal.id for deal in self.won_deals()}
            return [line for line in rows if line.parent in won] or [line for line in rows if line.parent]
        return rows

    def n_rows(self) -> dict[str, int]:
        """Return entity -> number of records read."""
        return {entity: len(rows) for entity, rows in self.rows.items()}


def is_won(row: Row) -> bool:
    """Return whether a deal is won, by the vendor's own flag."""
    return str(row.values.get("hs_is_closed_won", row.values.get("IsWon", ""))).lower() == "true"


def _is_customer(row: Row) -> bool:
    stage = str(row.values.get("lifecyclestage") or row.values.get("Type") or "").lower()
    return stage.startswith("customer") or stage == "evangelist"


# (entity, schema) -> the properties whose values are read.
Wanted = Callable[[str, dict[str, Property]], list[str]]
