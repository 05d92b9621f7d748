"""Add a little dirt as in real systems: rows that break a rule, few enough that their batches pass."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

from include.sandbox import parameters as p
from include.sandbox.world.customers import Span
from include.sandbox.world.records import HOUR, Record, day_of, millis


def add(rng: random.Random, records: list[Record], span: Span) -> None:
    """Add or alter a few rows, all at least a week older than the anchor."""
    limit = millis(span.anchor - timedelta(days=7))
    old = {kind: [r for r in records if r.kind == kind and r.at < limit] for kind in ("deal", "line_item", "contact")}
    lost = [deal for deal in old["deal"] if "lost_reason" in deal.changes[-1].values and deal.changes[-1].at < limit]
    _missing_amounts(rng, records, lost)
    _dates(rng, old["line_item"])
    # HubSpot accepts free text in a number.
    for deal in rng.sample(lost, min(len(lost), p.DIRT["thousands_separator"])):
        deal.changes[-1].values["amount"] = f"{rng.randint(11, 99)},{rng.randint(100, 999)}.00"
    for contact in rng.sample(old["contact"], min(len(old["contact"]), p.DIRT["bad_email"])):
        contact.changes[0].values["email"] = "not an address"
    for position in range(p.DIRT["contact_without_company"]):
        records.append(
            Record("contact", limit - rng.randrange(300 * 24) * HOUR, company=None, email=f"stray{position}@gmail.com",
                   first_name="Stray", last_name=f"<i>{position}</i>", job_title=None, role=None, owner=None)
        )  # fmt: skip


def _missing_amounts(rng: random.Random, records: list[Record], lost: list[Record]) -> None:
    """Add a line without an amount to lost deals, so that no figure depends on it."""
    for deal in rng.sample(lost, min(len(lost), p.DIRT["no_amount"])):
        at = deal.changes[-1].at
        day = day_of(at)
        records.append(
            Record("line_item", at, deal=deal, product="Core platform", quantity=1, amount=None,
                   list_amount=Decimal("1200.00"), currency=p.CURRENCY, frequency="annually", term_start=day,
                   term_last_day=day + timedelta(days=364))
        )  # fmt: skip


def _dates(rng: random.Random, lines: list[Record]) -> None:
    recurring = [line for line in lines if line.changes[0].values["term_start"]]
    n_swapped = min(p.DIRT["end_before_start"], len(recurring) // 20)
    chosen = rng.sample(recurring, n_swapped + (p.DIRT["no_end_date"] if len(recurring) > 20 else 0))
    for position, line in enumerate(chosen):
        values = line.changes[0].values
        if position < n_swapped:
            values["term_last_day"] = values["term_start"] - timedelta(days=30)
        else:
            values["term_last_day"] = None
