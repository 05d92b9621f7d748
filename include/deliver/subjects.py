"""The subjects of deliveries, and their tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """A kind of subject.

    Args:
        table: Lists the subjects of the newest built day with their owners.
        deadline: The column that a delivery's deadline comes from.
    """

    table: str
    key: str
    deadline: str


SUBJECTS = {
    "renewal": Subject("marts.act_renewal_checkpoint", "renewal_id", "decision_date"),
    "account": Subject("marts.act_account", "account_key", "next_decision_date"),
    "contact": Subject("marts.act_contact", "contact_key", "next_decision_date"),
    "former": Subject("marts.act_former_account", "account_key", "next_decision_date"),
}
# The entity kind of reports. Its episodes are their editions.
REPORT = "report"
