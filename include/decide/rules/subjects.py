"""What signals and playbooks may be about: a table for each kind, its columns, the sources that these rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.config import templates
from include.models import registry

# Columns that every subject has: who it is, whom it belongs to. They are known whatever a source's state is.
IDENTITY = (
    "as_of_day",
    "account_key",
    "account_name",
    "tier",
    "industry",
    "region",
    "arr",
    "currency",
    "days_as_customer",
    "next_decision_date",
    "days_to_decision",
    "owner_key",
    "owner_name",
    "owner_email",
    "owner_team",
    "owner_is_active",
    "crm_account_id",
    "crm_source",
)
_NEVER_NULL = ("as_of_day", "account_key", "account_name", "arr", "currency", "crm_account_id", "crm_source")
# Of a renewal the dates are known besides: without them it is not listed.
_NEVER_NULL_OF_RENEWALS = ("decision_date", "days_to_decision", "due_date", "term_no", "contract_key", "target_arr")


@dataclass(frozen=True)
class Table:
    """The table of one kind of subject.

    Args:
        name: With its schema.
        key: The column that names the subject.
        types: Column -> PostgreSQL type.
        kinds: Column -> kinds of source it rests on next to the CRM.
        personal: Columns that name a customer's people.
    """

    name: str
    key: str
    types: dict[str, str]
    kinds: dict[str, frozenset[str]]
    personal: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return tuple(self.types)

    def examples(self) -> tuple[dict[str, Any], ...]:
        """Return subjects to check a text with: all is known, as little as possible is, and every number is zero."""
        return templates.examples(self.types, (*_NEVER_NULL, *_NEVER_NULL_OF_RENEWALS, self.key))


_TABLES = {
    "account": ("marts.act_account", "account_key"),
    "contact": ("marts.act_contact", "contact_key"),
    "former": ("marts.act_former_account", "account_key"),
    "renewal": ("marts.act_renewal_checkpoint", "renewal_id"),
}


def table(about: str) -> Table:
    """Return the table of a kind of subject."""
    name, key = _TABLES[about]
    columns = registry.get(name).metadata.columns
    return Table(
        name,
        key,
        {column: said.type for column, said in columns.items()},
        {column: frozenset(said.reads) - {"crm"} for column, said in columns.items()},
        frozenset(
            column
            for column, said in columns.items()
            if said.sensitivity == "personal" and not column.startswith("owner_")
        ),
    )
