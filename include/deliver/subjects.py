"""What deliveries can be about, and where the tables have it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """A kind of thing that deliveries are about.

    Args:
        table: Lists the things of the newest built day with their owners.
        deadline: The column with the date that a delivery's deadline is of.
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
