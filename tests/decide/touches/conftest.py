"""Customers with contacts, RFM scores, and a live touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.models import registry
from include.warehouse.engine import engine
from tests.fixtures.signals import SignalBook
from tests.fixtures.subjects_store import account

TOUCH = """
name: wake_up
version: 1
status: live
title: Asleep
why: They leave.
when: tier in ('small', 'self_serve') and recency <= 2
segments: [asleep]
{more}
subject: "Hello {{{{ account_name }}}}"
body: |
  Dear {{{{ contact_name }}}},
  {{{{ recency_days | number }}}} days.
languages:
  de: {{subject: "Hallo {{{{ account_name }}}}"}}
"""


def write(overlay: Path, more: str = "", name: str = "wake_up") -> None:
    folder = overlay / "config" / "touches"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(TOUCH.format(more=more).replace("wake_up", name))


class TouchBook:
    """Fill the tables that a list reads."""

    def __init__(self, signals: SignalBook) -> None:
        self.signals = signals
        names = ("marts.account_rfm", "core.contact", "core.account", "core.account_family", "staging.stg_crm__contact")
        with engine("builder").begin() as connection:
            for name in names:
                columns = registry.get(name).metadata.columns
                made = ", ".join(f"{column} {found.type}" for column, found in columns.items())
                connection.exec_driver_sql(f"create table if not exists {name} ({made})")
                connection.exec_driver_sql(f"grant select on {name} to perennial_reader")

    def customers(self, *numbers: int, score: int = 1, **changes: Any) -> None:
        """Set the small customers, asleep by default."""
        self.signals.set_subjects("account", *(account(n, tier="small", **changes) for n in numbers))
        rows = [
            {"key": f"crm:{n}", "day": self.signals.book.now.date().replace(day=1), "score": score} for n in numbers
        ]
        with engine("builder").begin() as connection:
            connection.exec_driver_sql("delete from marts.account_rfm; delete from core.account")
            connection.execute(_RFM, rows)
            connection.execute(_ACCOUNT, rows)

    def contact(self, number: int, account_number: int | None = None, **changes: Any) -> None:
        """Add a contact who agreed to mails."""
        row = {
            "key": f"crm:c{number}", "account": f"crm:{account_number or number}", "email": f"c{number}@x.example",
            "name": f"Person {number}", "language": None, "out": False, "consent": "yes", "deleted": False,
        }  # fmt: skip
        with engine("builder").begin() as connection:
            connection.execute(_CONTACT, row := {**row, **changes})
            connection.execute(
                _VERSION, {**row, "id": f"c{number}", "other": None, "batch": 1, "bounced": None, **changes}
            )

    def version(self, record: str, batch: int = 1, **changes: Any) -> None:
        """Add a version of a CRM record that is not a contact of an account."""
        row = {"id": record, "email": None, "other": None, "out": True, "deleted": False, "bounced": None}
        with engine("builder").begin() as connection:
            connection.execute(_VERSION, {**row, "batch": batch, **changes})


@pytest.fixture
def touch_book(signal_book: SignalBook, overlay: Path) -> TouchBook:
    write(overlay)
    return TouchBook(signal_book)


_RFM = sa.text(
    "insert into marts.account_rfm (account_key, as_of, tier, recency_days, n_active_days, recency, frequency, money)"
    " values (:key, :day, 'small', 70, 1, :score, :score, :score)"
)
_ACCOUNT = sa.text("insert into core.account (account_key, name, region) values (:key, 'Customer', 'Germany')")
_CONTACT = sa.text(
    "insert into core.contact (contact_key, account_key, email, name, language, is_opted_out, consent, is_deleted,"
    " is_decision_maker, is_champion) values (:key, :account, :email, :name, :language, :out, :consent, :deleted,"
    " true, false)"
)
_VERSION = sa.text(
    "insert into staging.stg_crm__contact (source, contact_id, email, other_emails, is_opted_out, has_bounced,"
    " is_deleted, known_from, batch_id) values ('crm', :id, :email, :other, :out, :bounced, :deleted, '2026-01-01',"
    " :batch)"
)
