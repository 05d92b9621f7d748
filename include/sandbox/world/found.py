"""Contracts as recorded in a portal that grew over years: few numbers, inconsistent types, old dates, clones."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from include.sandbox import parameters as p
from include.sandbox.world.customers import Contract, Customer, Sold, Term
from include.sandbox.world.dates import pick, whole, whole_months
from include.sandbox.world.records import DAY, Change, Record, day_of


def record(rng: random.Random, customers: list[Customer], records: list[Record]) -> list[Record]:
    """Degrade how deals and lines record contracts. Return the superfluous records that this adds."""
    by_number: dict[str, list[Record]] = {}
    for deal in (each for each in records if each.kind == "deal"):
        by_number.setdefault(deal.changes[0].values["contract_number"], []).append(deal)
    made: list[Record] = []
    for customer in customers:
        for contract in customer.contracts:
            deals = sorted(by_number.get(contract.number, []), key=lambda deal: deal.at)
            made += _split(rng, contract)
            _old_dates(rng, contract)
            if customer.contracts[0] is contract:
                _sign_by_parent(rng, customer, contract)
            numbers = _numbers(rng, contract, deals)
            if numbers != "on_all" and rng.random() < p.SHARE_LOOKUP:
                _look_up(contract)
            _types(rng, deals)
            for deal in deals:
                values = deal.changes[0].values
                is_own = values["company"] is customer.company and bool(values["contacts"])
                if rng.random() < p.SHARE_CONTACTS_ONLY and is_own:
                    values["company"] = None
    return made + _quotes(rng, records)


def lines_of(contract: Contract, term: Term) -> list[Sold]:
    """Return the line items of a term's deals, without later additions."""
    return [sold for sold in contract.sold if sold.term is term and _starts(sold.line) == term.start]


def won(deal: Record) -> Change:
    """Return the change that won a deal."""
    return next(change for change in deal.changes if change.values.get("is_won"))


def _starts(line: Record) -> date:
    start: date = line.changes[0].values["term_start"]
    return start


def _numbers(rng: random.Random, contract: Contract, deals: list[Record]) -> str:
    """Drop or misspell contract numbers. Return how they are recorded."""
    manner = pick(rng, p.NUMBERS)
    for position, deal in enumerate(deals):
        values = deal.changes[0].values
        if manner == "on_none" or (manner == "on_the_first" and position):
            values["contract_number"] = None
        elif position and rng.random() < p.SHARE_NUMBER_RETYPED:
            values["contract_number"] = rng.choice(
                (f"c {contract.number[2:]}", contract.number.lower().replace("-", ""))
            )
    if manner != "on_all":
        for term in contract.terms:
            for deal in term.others:
                deal.changes[0].values["contract_number"] = None
    return manner


def _look_up(contract: Contract) -> None:
    """Make each renewal refer to the deal that it renews."""
    for before, term in zip(contract.terms, contract.terms[1:], strict=False):
        if term.deal:
            for deal in (term.record, *term.others):
                if deal:
                    deal.changes[0].values["renews"] = before.record


def _types(rng: random.Random, deals: list[Record]) -> None:
    manner = pick(rng, p.TYPES)
    for deal in deals:
        values = deal.changes[0].values
        if manner == "missing":
            values["kind"] = None
        elif manner == "other_words":
            values["kind"] = p.OTHER_WORDS[values["kind"]]
        if rng.random() > p.SHARE_DEAL_TYPE_FILLED:
            values["deal_type"] = None


def _sign_by_parent(rng: random.Random, customer: Customer, contract: Contract) -> None:
    """Let the parent company sign from one of the renewals on."""
    assert customer.company
    parent = next((c.values["parent"] for c in customer.company.changes if c.values.get("parent")), None)
    renewals = [position for position, term in enumerate(contract.terms) if position and term.deal]
    if parent is None or not renewals or rng.random() > p.SHARE_SIGNED_BY_PARENT:
        return
    terms = contract.terms[rng.choice(renewals) :]
    for term in terms:
        term.signed_by = parent
    for sold in contract.sold:
        if sold.term in terms:
            sold.line.changes[0].values["deal"].changes[0].values["company"] = parent


def _split(rng: random.Random, contract: Contract) -> list[Record]:
    """Split some renewals of two products into two deals."""
    made = []
    for before, term in zip(contract.terms, contract.terms[1:], strict=False):
        lines = lines_of(contract, term)
        if not term.deal or term.free_months or len(lines) != 2 or before.renewal == "restarted":
            continue
        if rng.random() > p.SHARE_SPLIT:
            continue
        deal, line = lines[0].line.changes[0].values["deal"], lines[1].line
        other = Record("deal", deal.at + 60_000)
        other.changes = [Change(c.at + 60_000, dict(c.values)) for c in deal.changes]
        first = other.changes[0].values
        first["name"], first["contract_number"] = f"{first['name']} (add-on)", f"{first['contract_number']}B"
        won(deal).values["amount"] = lines[0].line.changes[0].values["amount"]
        won(other).values["amount"] = line.changes[0].values["amount"]
        line.changes[0].values["deal"] = other
        term.others.append(other)
        made.append(other)
    return made


def _old_dates(rng: random.Random, contract: Contract) -> None:
    """Turn some renewals into clones of the previous deal, with its dates uncorrected or corrected weeks later."""
    cloned: list[Term] = []
    for before, term in zip(contract.terms, contract.terms[1:], strict=False):
        moved = term.cut or term.replaced_from or term.shortened or before.cut or before.replaced_from
        if not (term.deal and before.deal) or moved or term.free_months or before.free_months or before.expands:
            continue
        if before in cloned:
            continue
        is_same = (term.seats, term.price) == (before.seats, before.price)
        if rng.random() > (p.SHARE_OLD_DATES_SAME if is_same else p.SHARE_OLD_DATES_OTHER):
            continue
        cloned.append(term)
        is_corrected, days = rng.random() < p.SHARE_DATES_CORRECTED, whole(rng, p.DATES_CORRECTED_DAYS)
        for sold in lines_of(contract, term):
            values = sold.line.changes[0].values
            if is_corrected:
                sold.line.change(
                    sold.line.at + days * DAY, term_start=values["term_start"], term_last_day=values["term_last_day"]
                )
            values["term_start"], values["term_last_day"] = before.start, before.end - timedelta(days=1)


def _quotes(rng: random.Random, records: list[Record]) -> list[Record]:
    """Clone the lines of some deals for quotes. The clones belong to no deal."""
    made = []
    quoted: dict[int, bool] = {}
    for line in (each for each in records if each.kind == "line_item"):
        deal = line.changes[0].values["deal"]
        if quoted.setdefault(id(deal), rng.random() < p.SHARE_QUOTED):
            at = max(deal.at + 3_600_000, line.at - whole(rng, (1, 20)) * DAY)
            made.append(Record("line_item", at, **{**line.changes[0].values, "deal": None}))
    return made


def as_deals(rng: random.Random, customers: list[Customer], records: list[Record]) -> list[Record]:
    """Return the records of a portal without line items: deals have amount, start and length themselves."""
    ends_kept = {
        id(sold.line)
        for customer in customers
        for contract in customer.contracts
        for sold in contract.sold
        if sold.term.replaced_from and rng.random() > p.SHARE_END_MOVED_ON_UPGRADE
    }
    lines: dict[int, list[Record]] = {}
    for line in records:
        if line.kind == "line_item" and line.changes[0].values["frequency"]:
            lines.setdefault(id(line.changes[0].values["deal"]), []).append(line)
    for deal in (each for each in records if each.kind == "deal"):
        first = deal.changes[0].values
        first["contract_number"], first["kind"] = None, None
        if own := lines.get(id(deal)):
            _write_term(rng, deal, own, ends_kept)
    return [each for each in records if each.kind != "line_item"]


def _write_term(rng: random.Random, deal: Record, lines: list[Record], ends_kept: set[int]) -> None:
    states = [dict(line.changes[0].values) for line in lines]
    start = min(state["term_start"] for state in states)
    last = max(state["term_last_day"] for state in states)
    months = whole_months(start, last + timedelta(days=1))
    is_new = deal.changes[0].values["deal_type"] == "newbusiness"
    is_typed = not is_new or rng.random() > p.SHARE_START_NOT_TYPED
    closing = won(deal)
    if not is_typed:  # it is won on its start day
        closing.at, closing.values["close_date"] = closing.at + (start - day_of(closing.at)).days * DAY, start
    closing.values |= {
        "amount": sum((state["amount"] for state in states), Decimal()),
        "contract_start": start if is_typed else None,
        "term_months": months,
        "contract_end": None if months else last,
    }
    later = sorted(
        ((change, place) for place, line in enumerate(lines) for change in line.changes[1:]),
        key=lambda entry: entry[0].at,
    )
    for change, place in later:
        if "term_last_day" not in change.values:
            states[place]["amount"] = change.values["amount"]
            deal.change(change.at, amount=sum((state["amount"] for state in states), Decimal()))
        elif id(lines[place]) not in ends_kept:  # the amount is left unchanged
            deal.change(change.at, contract_end=change.values["term_last_day"])
