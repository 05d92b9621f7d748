"""Interactions between vendor and customer: calls, meetings, mails, notes, invoices, surveys, milestones, objectives.

Symptoms affect all of them, for leavers and stayers alike: meetings are cancelled, invoices are paid late, scores drop,
milestones slip. A silent leaver shows none of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from include.sandbox import parameters as p
from include.sandbox.world.customers import Customer, Span, Trouble
from include.sandbox.world.dates import add_months, office_hour, pick, whole, working_day
from include.sandbox.world.deals import amounts_of
from include.sandbox.world.records import HOUR, Record, day_of, millis


def write(rng: random.Random, customers: list[Customer], span: Span) -> list[Record]:
    """Return the interactions of all customers."""
    made: list[Record] = []
    for number, customer in enumerate(customers):
        made += _activities(rng, customer)
        made += _reviews(rng, customer, span)
        made += _invoices(rng, customer, span)
        made += _surveys(rng, customer, span)
        made += _milestones(rng, customer, span)
        made += _objectives(rng, customer, span, number)
    return made


def shows_symptom(customer: Customer, day: date) -> bool:
    """Return whether a customer shows any symptom on a day."""
    return any(symptom.start <= day < symptom.until for symptom in customer.symptoms)


def _activities(rng: random.Random, customer: Customer) -> Iterator[Record]:
    """Yield a call, a mail or a meeting for every contact that the CRM counts, and now and then a note."""
    for _, contact, _ in customer.contacts:
        for change in contact.changes:
            at = change.values.get("last_contacted")
            if not at:
                continue
            common = {"company": customer.company, "contact": contact, "owner": customer.owner}
            kind = pick(rng, p.ACTIVITY_KINDS)
            if kind == "call":
                incoming = rng.random() < p.SHARE_INCOMING
                yield Record("call", at, **common, title="Check-in", direction="INBOUND" if incoming else "OUTBOUND",
                             outcome="COMPLETED", happened_at=at)  # fmt: skip
            elif kind == "email":
                incoming = rng.random() < p.SHARE_INCOMING
                yield Record("email", at, **common, title="Your account", outcome="SENT", happened_at=at,
                             direction="INCOMING_EMAIL" if incoming else "EMAIL")  # fmt: skip
            else:
                yield Record("meeting", at, **common, title="Working session", outcome="COMPLETED", happened_at=at)
            if rng.random() < p.SHARE_NOTED:
                yield Record("note", at + HOUR, **common, happened_at=at + HOUR)


def _reviews(rng: random.Random, customer: Customer, span: Span) -> Iterator[Record]:
    """Yield business reviews, planned weeks ahead. Customers with symptoms cancel more of them."""
    months = p.REVIEW_MONTHS[customer.tier]
    day = add_months(customer.signed, months)
    while months and day < span.end:
        held = working_day(day)
        if held >= span.history and customer.is_active(day) and customer.contacts:
            at = millis(held, office_hour(rng))
            planned = millis(working_day(held - timedelta(days=21)), office_hour(rng))
            contact = customer.contacts[0][1]
            review = Record("meeting", planned, company=customer.company, contact=contact, owner=customer.owner,
                            title="Business review", outcome="SCHEDULED", happened_at=at)  # fmt: skip
            falls = rng.random() < (p.REVIEW_FALLS_AILING if shows_symptom(customer, held) else p.REVIEW_FALLS)
            review.change(at + HOUR, outcome=rng.choice(("NO_SHOW", "CANCELED")) if falls else "COMPLETED")
            yield review
        day = add_months(day, months)


def _invoices(rng: random.Random, customer: Customer, span: Span) -> Iterator[Record]:
    """Yield an invoice at the start of each year of a term; a shorter term has one."""
    for contract in customer.contracts:
        for term in contract.terms:
            end = term.cut or term.end
            whole_term = sum(amounts_of(contract, term)[0::2], Decimal())
            start = term.start
            while start < min(end, span.end):
                until = min(add_months(start, 12), end)
                if start >= span.history - timedelta(days=p.INVOICES_BEFORE_DAYS):
                    share = Decimal((until - start).days) / Decimal(max(1, (term.end - term.start).days))
                    yield _invoice(
                        rng, customer, contract.number, start, (whole_term * share).quantize(Decimal("0.01"))
                    )
                start = until


def _invoice(rng: random.Random, customer: Customer, contract_number: str, day: date, amount: Decimal) -> Record:
    issued = working_day(day)
    due = issued + timedelta(days=p.PAYMENT_DAYS)
    invoice = Record("invoice", millis(issued, office_hour(rng)), company=customer.company, amount=amount,
                     contact=customer.contacts[0][1] if customer.contacts else None, balance=amount,
                     number=f"INV-{contract_number[2:]}-{issued:%y%m}", currency=p.CURRENCY, issued=issued, due=due,
                     contract_number=contract_number, status="open", paid=None)  # fmt: skip
    if rng.random() < p.SHARE_VOIDED:
        invoice.change(millis(issued + timedelta(days=5), 9), status="voided", balance=Decimal(0))
        return invoice
    late = rng.random() < (p.PAYS_LATE_AILING if shows_symptom(customer, due) else p.PAYS_LATE)
    is_leaving = shows_symptom(customer, due) and customer.left is not None
    if late and rng.random() < (p.NEVER_PAYS_LEAVING if is_leaving else p.NEVER_PAYS):
        customer.troubles.append(Trouble("unpaid", due))
        return invoice
    paid = working_day(due + timedelta(days=whole(rng, p.LATE_BY_DAYS if late else p.EARLY_BY_DAYS)))
    if late:
        customer.troubles.append(Trouble("unpaid", due, paid))
    invoice.change(millis(max(paid, issued), 15), status="paid", balance=Decimal(0), paid=max(paid, issued))
    return invoice


def _surveys(rng: random.Random, customer: Customer, span: Span) -> Iterator[Record]:
    """Yield answers to the NPS survey twice a year, and now and then a CSAT after onboarding."""
    day = customer.signed + timedelta(days=90)
    while day < span.end:
        if day >= span.history and customer.is_active(day):
            for _, contact, _ in customer.contacts[:3]:
                if day_of(contact.at) < day and rng.random() < p.SHARE_ANSWERS:
                    yield _answer(rng, customer, contact, "NPS", day)
            if rng.random() < p.SHARE_CSAT and customer.contacts and day_of(customer.contacts[0][1].at) < day:
                yield _answer(rng, customer, customer.contacts[0][1], "CSAT", day)
        day += timedelta(days=182)


def _answer(rng: random.Random, customer: Customer, contact: Record, kind: str, day: date) -> Record:
    answered = working_day(day + timedelta(days=rng.randrange(10)))
    bad = rng.random() < (p.BAD_SCORE_AILING if shows_symptom(customer, answered) else p.BAD_SCORE)
    score = whole(rng, p.BAD_SCORES if bad else p.GOOD_SCORES)
    if kind == "CSAT":
        score = max(1, min(5, round(score / 2)))
    comment = rng.choice(p.BAD_COMMENTS if bad else p.GOOD_COMMENTS) if rng.random() < 0.4 else None
    at = millis(answered, office_hour(rng))
    return Record("feedback", at, company=customer.company, contact=contact, survey=f"{kind} {answered.year}",
                  kind=kind, score=score, comment=comment, answered_at=at)  # fmt: skip


def _milestones(rng: random.Random, customer: Customer, span: Span) -> Iterator[Record]:
    """Yield the onboarding milestones of recent customers."""
    if customer.signed < span.history - timedelta(days=120):
        return
    for name, days in p.MILESTONES:
        due = working_day(customer.signed + timedelta(days=days))
        milestone = Record("milestone", millis(customer.signed, 10), company=customer.company, owner=customer.owner,
                           name=name, kind="onboarding", due=due, done=None, status="open")  # fmt: skip
        slips = rng.random() < (p.SLIPS_AILING if shows_symptom(customer, due) else p.SLIPS)
        done = working_day(due + timedelta(days=whole(rng, p.SLIPS_BY_DAYS) if slips else -whole(rng, (0, 5))))
        if slips:
            customer.troubles.append(Trouble("behind", due, done))
        if customer.is_active(done):
            milestone.change(millis(done, office_hour(rng)), status="done", done=done)
        yield milestone


def _objectives(rng: random.Random, customer: Customer, span: Span, number: int) -> Iterator[Record]:
    """Yield larger customers' objectives for the year after signing."""
    if customer.tier == "small" or number % 2:
        return
    start = max(customer.signed, span.history)
    due = add_months(start, 12)
    name, target = rng.choice(p.OBJECTIVES)
    objective = Record("objective", millis(start, 11), company=customer.company, owner=customer.owner, name=name,
                       target=target, due=due, done=None, status="open")  # fmt: skip
    if rng.random() >= (p.OBJECTIVE_MISSED_AILING if customer.symptoms else p.OBJECTIVE_MISSED):
        done = working_day(due - timedelta(days=whole(rng, (0, 120))))
        if customer.is_active(done) and done > start:
            objective.change(millis(done, office_hour(rng)), status="reached", done=done)
    yield objective
