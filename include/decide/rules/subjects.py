"""The subjects of signals and playbooks: the table of each kind, its columns, and the sources of each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.config import templates
from include.models import registry

# Columns that every subject has: its identity and its owner. They are known whatever the state of a source.
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
# Also known for a renewal: without these dates it is not listed.
_NEVER_NULL_OF_RENEWALS = ("decision_date", "days_to_decision", "due_date", "term_no", "contract_key", "target_arr")


@dataclass(frozen=True)
class Table:
    """The table of one kind of subject.

    Args:
        name: The table's name with its schema.
        key: The column that identifies the subject.
        types: Column -> PostgreSQL type.
        kinds: Column -> the kinds of source it depends on in addition to the CRM.
        personal: Columns that name a customer's people.
    """

    name: str
    key: str
    types: dict[str, str]
    kinds: dict[str, frozenset[str]]
    personal: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.types)

    def examples(self) -> tuple[dict[str, Any], ...]:
        """Return subjects to check a template with: all values known, as few as possible known, all numbers zero."""
        return templates.examples(self.types, (*_NEVER_NULL, *_NEVER_NULL_OF_RENEWALS, self.key))


_TABLES = {
    "account": ("marts.act_account", "account_key"),
    "contact": ("marts.act_contact", "contact_key"),
    "former": ("marts.act_former_account", "account_key"),
    "renewal": ("marts.act_renewal_checkpoint", "renewal_id"),
}


def table(about: str) -> Table:
    name, key = _TABLES[about]
    columns = registry.get(name).metadata.columns
    return Table(
        name,
        key,
        {column: definition.type for column, definition in columns.items()},
        {column: frozenset(definition.reads) - {"crm"} for column, definition in columns.items()},
        frozenset(
            column
            for column, definition in columns.items()
            if definition.sensitivity == "personal" and not column.startswith("owner_")
        ),
    )
