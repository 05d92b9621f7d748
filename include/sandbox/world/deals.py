"""The CRM's view of contracts: deals through their stages, and the line items of won deals."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from include.sandbox import parameters as p
from include.sandbox.world import names
from include.sandbox.world.customers import Contract, Customer, Sold, Span, Term
from include.sandbox.world.dates import add_months, between, office_hour, whole, working_day, years_between
from include.sandbox.world.records import Record, millis

SALES, RENEWALS = "default", "75122310"
STAGES = {
    SALES: ("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost"),
    RENEWALS: ("147001", "147002", "147003", "147004", "147005"),
}
CENT, FINE = Decimal("0.01"), Decimal("0.000001")
ADD_ON_SHARE = Decimal("0.25")  # of the seat price


def write(rng: random.Random, customers: list[Customer], span: Span) -> list[Record]:
    """Return the deals and line items of all contracts."""
    made: list[Record] = []
    for customer in customers:
        for contract in customer.contracts:
            made += _contract(rng, customer, contract, span)
        made += _lost_attempts(rng, customer, span)
    return made


def _contract(rng: random.Random, customer: Customer, contract: Contract, span: Span) -> list[Record]:
    made: list[Record] = []
    made_by: Record | None = None
    for position, term in enumerate(contract.terms):
        if term.deal:
            before = contract.terms[position - 1] if position else None
            if before is None:
                written = _new(rng, customer, contract, term)
            elif term.is_upgrade:
                written = _upgraded(rng, customer, contract, before, term)
            else:
                written = _renewed(rng, customer, contract, before, term)
            made += written
            made_by = written[0]
        term.record = made_by
        if term.expands:
            made += _expansion(rng, customer, contract, term)
        if term.cut:
            _cut(rng, contract, term, term.cut)
        elif term.replaced_from and (term.renewal == "restarted" or rng.random() < p.SHARE_CUT_ON_RENEWAL):
            _cut(rng, contract, term, term.replaced_from)
        if term.shortened:
            _cut(rng, contract, term, term.end, term.shortened[1])
    made += _end(rng, customer, contract, contract.terms[-1], span)
    return made


def _new(rng: random.Random, customer: Customer, contract: Contract, term: Term) -> list[Record]:
    closes = working_day(term.start - timedelta(days=whole(rng, (1, 14))))
    deal = _open(rng, customer, contract, "new", closes - timedelta(days=whole(rng, (25, 90))), closes, SALES)
    return [deal, *_win(rng, customer, contract, deal, term, closes, services=contract.services)]


def _renewed(rng: random.Random, customer: Customer, contract: Contract, before: Term, term: Term) -> list[Record]:
    assert before.closes
    due = before.cut or before.end
    opens = min(due - timedelta(days=whole(rng, p.RENEWAL_OPENS_DAYS)), before.closes - timedelta(days=12))
    deal = _open(rng, customer, contract, "renewal", max(opens, before.start + timedelta(days=2)), due, RENEWALS)
    deal.changes[0].values["amount"] = sum(amounts_of(contract, before)[0::2], Decimal())
    return [deal, *_win(rng, customer, contract, deal, term, before.closes)]


def _upgraded(rng: random.Random, customer: Customer, contract: Contract, before: Term, term: Term) -> list[Record]:
    assert before.closes
    opens = max(before.start + timedelta(days=2), before.closes - timedelta(days=whole(rng, (10, 40))))
    deal = _open(rng, customer, contract, "expansion", opens, before.closes, SALES)
    return [deal, *_win(rng, customer, contract, deal, term, before.closes)]


def _expansion(rng: random.Random, customer: Customer, contract: Contract, term: Term) -> list[Record]:
    assert term.expands
    day, seats = term.expands
    closes = working_day(day - timedelta(days=whole(rng, (1, 6))))
    deal = _open(rng, customer, contract, "expansion", closes - timedelta(days=whole(rng, (10, 40))), closes, SALES)
    extra = Term(day, term.end, seats, term.price, term.discount)
    plain = Contract(contract.number, contract.months, contract.notice_months, contract.auto, False, False)
    lines = _win(rng, customer, plain, deal, extra, closes)
    for sold in plain.sold:
        sold.term = term
    contract.sold += plain.sold
    return [deal, *lines]


def _end(rng: random.Random, customer: Customer, contract: Contract, term: Term, span: Span) -> list[Record]:
    """Write the renewal deal at the end of the last planned term: lost, or still open when the world ends."""
    opens = term.end - timedelta(days=whole(rng, p.RENEWAL_OPENS_DAYS))
    if term.renewal == "consolidated":
        return []
    if term.renewal == "open":
        if opens >= span.end or contract.auto:
            return []
        return [_open(rng, customer, contract, "renewal", opens, term.end, RENEWALS)]
    assert term.closes and term.record
    if contract.auto or (contract.notice_months and rng.random() < 0.6):
        given = term.closes if contract.auto else contract.decision(term) - timedelta(days=whole(rng, (1, 20)))
        given = max(given, term.start + timedelta(days=1))
        term.record.change(millis(given, office_hour(rng)), notice_given_on=given)
        if contract.auto:
            opens = min(opens, given)
    deal = _open(rng, customer, contract, "renewal", max(opens, term.start + timedelta(days=1)), term.end, RENEWALS)
    if rng.random() < p.SHARE_LOST_LEFT_OPEN and not contract.auto:
        return [deal]
    lost_at = max(millis(working_day(term.closes), office_hour(rng)), deal.at + 3_600_000)
    deal.change(
        lost_at,
        stage=STAGES[RENEWALS][4],
        is_closed=True,
        is_won=False,
        close_date=working_day(term.closes),
        lost_reason=_reason(rng, customer),
    )
    return [deal]


def _reason(rng: random.Random, customer: Customer) -> str:
    if customer.cause == "competitor":
        return f"Went to {rng.choice(names.COMPETITORS)}"
    return names.LOST_REASONS.get(customer.cause or "silent", "Budget cut")


def _lost_attempts(rng: random.Random, customer: Customer, span: Span) -> list[Record]:
    """Write expansions that were offered and lost."""
    made = []
    if rng.random() < p.NEW_DEALS_LOST:
        day = customer.signed + timedelta(days=whole(rng, (100, 600)))
        if day < span.end and customer.is_active(day):
            deal = _open(rng, customer, customer.contracts[0], "expansion", day, day + timedelta(days=40), SALES)
            deal.changes[0].values["amount"] = Decimal(whole(rng, (5, 60)) * 500)
            lost = working_day(day + timedelta(days=whole(rng, (20, 80))))
            deal.change(
                millis(lost, office_hour(rng)),
                stage=STAGES[SALES][4],
                is_closed=True,
                is_won=False,
                close_date=lost,
                lost_reason="No need",
            )
            made.append(deal)
    return made


def _open(
    rng: random.Random, customer: Customer, contract: Contract, kind: str, day: date, due: date, pipeline: str
) -> Record:
    """Return a deal in its first stage, which moves through the next ones at its own pace."""
    stages = STAGES[pipeline]
    at = millis(working_day(day), office_hour(rng))
    label = {"new": "New business", "renewal": "Renewal", "expansion": "Expansion"}[kind]
    deal = Record(
        "deal",
        at,
        name=f"{customer.name} - {label} {due:%Y-%m}",
        company=customer.company,
        contacts=[record for _, record, _ in customer.contacts[:2]],
        pipeline=pipeline,
        stage=stages[0],
        is_closed=False,
        is_won=False,
        kind=kind,
        deal_type="newbusiness" if kind == "new" else "existingbusiness",
        contract_number=contract.number,
        amount=None,
        currency=p.CURRENCY,
        close_date=due,
        notice_months=contract.notice_months,
        auto_renew=contract.auto,
        owner=customer.owner,
    )
    gap = max(1, (due - day).days)
    deal.change(at + round(gap * between(rng, (0.25, 0.4)) * 86_400_000), stage=stages[1])
    deal.change(at + round(gap * between(rng, (0.5, 0.75)) * 86_400_000), stage=stages[2])
    return deal


def _win(
    rng: random.Random,
    customer: Customer,
    contract: Contract,
    deal: Record,
    term: Term,
    closes: date,
    services: bool = False,
) -> list[Record]:
    """Close a deal as won, and return its line items."""
    at = max(millis(closes, office_hour(rng)), deal.at + 3_600_000)
    deal.changes = [c for c in deal.changes if c.at < at]
    amounts = amounts_of(contract, term)
    lines = [_line(rng, deal, at, contract, term, closes, "Core platform", amounts[0], amounts[1])]
    if len(amounts) > 2:
        lines.append(_line(rng, deal, at + 90, contract, term, closes, "Analytics add-on", amounts[2], amounts[3]))
    if term.free_months:
        lines += _free_lines(rng, deal, at + 150, contract, term, [line.changes[0].values["product"] for line in lines])
    if services:
        fee = Decimal(whole(rng, (2, 20)) * 750)
        lines.append(
            Record("line_item", at + 180, deal=deal, product="Onboarding services", quantity=1, amount=fee,
                   list_amount=fee, currency=p.CURRENCY, frequency="", term_start=None, term_last_day=None)
        )  # fmt: skip
    total = sum((line.changes[0].values["amount"] for line in lines), Decimal())
    deal.change(at, stage=STAGES[_pipeline(deal)][3], is_closed=True, is_won=True, close_date=closes, amount=total)
    return lines


def _pipeline(deal: Record) -> str:
    return deal.changes[0].values["pipeline"]


def _line(
    rng: random.Random,
    deal: Record,
    at: int,
    contract: Contract,
    term: Term,
    closes: date,
    product: str,
    net: Decimal,
    full: Decimal,
) -> Record:
    paid_until = _paid_until(contract, term)
    line = Record(
        "line_item",
        at,
        deal=deal,
        product=product,
        quantity=term.seats,
        amount=net,
        list_amount=full,
        currency=p.CURRENCY,
        frequency="monthly" if contract.months == 1 else "annually",
        term_start=term.start,
        term_last_day=paid_until - timedelta(days=1),
    )
    years = years_between(term.start, term.agreed_end)  # free months are part of the paid term
    sold = Sold(term, line, max(term.start, closes), net / years)
    if rng.random() < p.SHARE_CORRECTED:
        corrected = (net * Decimal(str(round(between(rng, (0.9, 0.97)), 3)))).quantize(CENT)
        line.change(at + whole(rng, (40, 200)) * 86_400_000, amount=corrected)
        sold.corrected = line.changes[-1].at, corrected / years
    contract.sold.append(sold)
    return line


def _paid_until(contract: Contract, term: Term) -> date:
    return add_months(term.start, contract.months) if term.free_months else term.agreed_end


def _free_lines(
    rng: random.Random, deal: Record, at: int, contract: Contract, term: Term, products: list[str]
) -> list[Record]:
    """Return line items of amount 0 for free months, named after the products or "Free months"."""
    names = products if rng.random() < 0.5 else ["Free months"]
    start, last = _paid_until(contract, term), term.agreed_end - timedelta(days=1)
    return [
        Record("line_item", at + place, deal=deal, product=name, quantity=term.seats, amount=Decimal("0.00"),
               list_amount=Decimal("0.00"), currency=p.CURRENCY, frequency="annually", term_start=start,
               term_last_day=last)
        for place, name in enumerate(names)
    ]  # fmt: skip


def amounts_of(contract: Contract, term: Term) -> list[Decimal]:
    """Return net and list amount of the whole term, for each product of the contract."""
    full_years = Decimal(contract.months) / 12
    if (term.agreed_end - term.start).days < contract.months * 28:  # the remainder of a term, by days
        full_years = Decimal((term.agreed_end - term.start).days) / 365
    net = (term.price * term.seats * full_years).quantize(CENT)
    full = (net / (1 - Decimal(str(term.discount)))).quantize(CENT)
    amounts = [net, full]
    if contract.add_on:
        amounts += [(net * ADD_ON_SHARE).quantize(CENT), (full * ADD_ON_SHARE).quantize(CENT)]
    return amounts


def _cut(rng: random.Random, contract: Contract, term: Term, day: date, said_on: date | None = None) -> None:
    """End a term's lines early, with their share of the amount, from the day on which that was agreed."""
    said_on = said_on or term.closes
    assert said_on
    at = millis(said_on, office_hour(rng))
    for sold in contract.sold:
        if sold.term is not term:
            continue
        line = sold.line
        values = line.changes[0].values
        last = values["term_last_day"]
        if values["term_start"] >= day or last < day:
            continue
        share = years_between(values["term_start"], day) / years_between(values["term_start"], last + timedelta(days=1))
        cut_at = max(at, line.at + 1)
        amount = next(c.values["amount"] for c in reversed(line.changes) if "amount" in c.values and c.at <= cut_at)
        for later in (change for change in line.changes if change.at > cut_at and "amount" in change.values):
            later.values["amount"] = (later.values["amount"] * share).quantize(FINE)
        # Not rounded, so that the yearly amount stays the same.
        line.change(cut_at, term_last_day=day - timedelta(days=1), amount=(amount * share).quantize(FINE))
