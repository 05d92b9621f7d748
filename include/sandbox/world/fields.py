"""Contracts as company fields, without deals: ARR, start and renewal date, overwritten at each renewal."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from include.sandbox import parameters as p
from include.sandbox.world import committed
from include.sandbox.world.customers import Contract, Customer, Span
from include.sandbox.world.dates import office_hour, whole
from include.sandbox.world.records import Record, millis

DEALS = ("deal", "line_item")


def as_companies(rng: random.Random, customers: list[Customer], records: list[Record], span: Span) -> list[Record]:
    """Return the records without deals. The customers' companies record the contracts."""
    for customer in customers:
        assert customer.company
        customer.company.id = customer.number + 1  # until all are numbered
    steps = committed.arr_steps(customers, span.end)
    for customer in customers:
        assert customer.company
        _write(rng, customer, steps.get(customer.company.id, []))
        customer.company.id = 0
    return [record for record in records if record.kind not in DEALS]


def _write(rng: random.Random, customer: Customer, steps: list[tuple[date, Decimal]]) -> None:
    company = customer.company
    assert company
    typed: dict[date, dict[str, Any]] = {}
    written: set[date] = set()
    for contract in customer.contracts:
        if not contract.number.endswith("1"):  # the company has one renewal date: not a second contract's
            written |= _write_terms(rng, contract, steps, typed)
        # Nobody records that a late renewal is missing.
        written |= {term.stops for term in contract.terms if term.closes and term.renewal != "lost"}
    for day, arr in steps:
        if day not in written and not (arr == 0 and rng.random() < p.SHARE_LEFT_STANDING):
            values = typed.setdefault(day + timedelta(days=whole(rng, p.FIELD_TYPED_DAYS)), {})
            values["arr"] = arr
            if arr == 0:
                values["customer_status"] = "churned"
    for day in sorted(typed):
        company.change(max(millis(day, office_hour(rng)), company.at + 1), **typed[day])


def _write_terms(
    rng: random.Random, contract: Contract, steps: list[tuple[date, Decimal]], typed: dict[date, dict[str, Any]]
) -> set[date]:
    """Record the fields typed at each signing. Return the days whose ARR they cover."""
    written = set()
    for position, term in enumerate(contract.terms):
        before = contract.terms[position - 1] if position else None
        signed = before.closes if before and before.closes else term.start
        day = signed if term.deal else term.start + timedelta(days=whole(rng, p.FIELD_TYPED_DAYS))
        values = typed.setdefault(day, {})
        values |= {"contract_start": term.start, "renewal_date": term.agreed_end, "customer_status": "active"}
        if term.shortened:
            typed.setdefault(term.shortened[1], {})["renewal_date"] = term.end
        if term.deal:
            values["arr"] = _arr(steps, max(term.start, signed))
            written.add(max(term.start, signed))
    return written


def _arr(steps: list[tuple[date, Decimal]], day: date) -> Decimal:
    return next((arr for since, arr in reversed(steps) if since <= day), Decimal())
