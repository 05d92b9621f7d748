"""The CRM's view of customers: companies, contacts, and the contacts' comings and goings."""

from __future__ import annotations

import random
from datetime import date, timedelta

from include.sandbox import parameters as p
from include.sandbox.world import names
from include.sandbox.world.customers import Customer, Span
from include.sandbox.world.dates import between, office_hour, pick, whole, working_day
from include.sandbox.world.records import Record, day_of, millis

DAYS_BETWEEN_CONTACTS = {"key_account": 16, "standard": 34, "small": 70}
ROLES_BY_RANK = ("DECISION_MAKER", "CHAMPION", "BUDGET_HOLDER", "END_USER", "EXECUTIVE_SPONSOR", "END_USER",
                 "LEGAL_AND_COMPLIANCE", "END_USER", "END_USER")  # fmt: skip


def write(rng: random.Random, customers: list[Customer], managers: list[Record], span: Span) -> list[Record]:
    """Return the companies and contacts of all customers, prospects and tests."""
    made: list[Record] = []
    for customer in customers:
        made.append(_company(rng, customer))
        made += _contacts(rng, customer, span)
        _hand_over(rng, customer, managers, span)
    _set_parents(rng, customers)
    made += _prospects(rng, len(customers), managers, span)
    made += _merged_duplicate(rng, customers, span)
    return made


def _company(rng: random.Random, customer: Customer) -> Record:
    born = customer.signed - timedelta(days=whole(rng, (40, 160)))
    customer.company = company = Record(
        "company",
        millis(born, office_hour(rng)),
        name=customer.name,
        domain=customer.domain,
        industry=customer.industry,
        country=customer.country,
        tier=customer.tier,
        owner=customer.owner,
        lifecycle="opportunity",
        is_test=False,
        employees=_employees(customer),
    )
    company.change(millis(customer.signed, office_hour(rng)), lifecycle="customer")
    if customer.left and rng.random() < 0.5:
        company.change(millis(customer.left + timedelta(days=9), office_hour(rng)), lifecycle="other")
    if rng.random() < 0.08:  # filled once, cleared later: HubSpot then returns "" instead of null
        company.change(millis(customer.signed + timedelta(days=40), office_hour(rng)), industry="")
    return company


def _employees(customer: Customer) -> int | None:
    low, high = p.EMPLOYEES[customer.tier]
    return low + customer.number * 7919 % (high - low) if customer.number % 11 else None


def _contacts(rng: random.Random, customer: Customer, span: Span) -> list[Record]:
    known = rng.random() >= p.SHARE_NO_DECISION_MAKER
    roles = list(ROLES_BY_RANK[: whole(rng, p.CONTACTS[customer.tier])])
    if not known:
        roles[0] = "END_USER"
    elif rng.random() < 0.2:
        roles[0] = "DECISION_MAKER;BUDGET_HOLDER"
    for position, role in enumerate(roles):
        born = customer.signed - timedelta(days=whole(rng, (5, 40)) if position < 2 else -whole(rng, (0, 120)))
        _add_contact(rng, customer, role, born)
    for symptom in customer.symptoms:
        if symptom.cause == "champion_left":
            symptom.is_shown = _champion_leaves(rng, customer, symptom.start, stays=customer.left is None)
    _turnover(rng, customer, span)
    for _, record, _ in customer.contacts:
        _contact_dates(rng, customer, record, span)
    return [record for _, record, _ in customer.contacts]


def _add_contact(rng: random.Random, customer: Customer, role: str, born: date) -> Record:
    first, last, email = names.person(rng, customer.country, customer.domain, len(customer.contacts) + 1)
    record = Record(
        "contact",
        millis(born, office_hour(rng)),
        company=customer.company,
        email=email,
        first_name=first,
        last_name=last,
        job_title=rng.choice(names.JOBS[role.split(";")[0]]),
        role=role if rng.random() > 0.06 else None,
        owner=customer.owner,
    )
    customer.contacts.append((role, record, email))
    return record


def _champion_leaves(rng: random.Random, customer: Customer, day: date, stays: bool) -> bool:
    """Make the champion leave: the record says so or is archived. A customer that stays gets a successor.

    Returns:
        Whether there was a champion to leave.
    """
    candidates = [entry for entry in customer.contacts if entry[0] == "CHAMPION"] or customer.contacts
    role, record, _ = candidates[0]
    left = millis(working_day(day), office_hour(rng))
    if left <= record.at:
        return False
    if rng.random() < 0.6:
        record.change(left, job_title="No longer with the company", role="")
    else:
        record.end(left)
    if stays:
        _add_contact(rng, customer, role, day + timedelta(days=whole(rng, (14, 40))))
    return True


def _turnover(rng: random.Random, customer: Customer, span: Span) -> None:
    """Apply ordinary changes: an end user leaves, a title changes, now and then somebody asks to be erased."""
    for role, record, _ in customer.contacts:
        if role == "END_USER" and rng.random() < 0.08:
            at = record.at + millis(span.end) - millis(span.history)
            record.end(round(between(rng, (record.at, at))), "erase" if rng.random() < 0.2 else "delete")
        elif rng.random() < 0.15:
            at = record.at + whole(rng, (60, 700)) * 86_400_000
            record.change(at, job_title=f"Senior {rng.choice(names.JOBS['END_USER'])}")


def _contact_dates(rng: random.Random, customer: Customer, record: Record, span: Span) -> None:
    """Set the time of the last call or mail, which is all that the CRM shows of them."""
    gap = DAYS_BETWEEN_CONTACTS[customer.tier] * len(customer.contacts)
    day = max(day_of(record.at), span.history) + timedelta(days=rng.randrange(gap))
    ended = next((c.at for c in record.changes if c.op != "set"), millis(span.end))
    while (at := millis(working_day(day), office_hour(rng))) < ended:
        if customer.is_active(day):
            record.change(at, last_contacted=at)
        day += timedelta(days=1 + round(gap * between(rng, (0.5, 1.5))))


def _hand_over(rng: random.Random, customer: Customer, managers: list[Record], span: Span) -> None:
    """Reassign some accounts once. Accounts of the CSM who left mostly are, weeks later."""
    assert customer.company
    if customer.owner is managers[-1]:
        if rng.random() < p.SHARE_NOT_HANDED_OVER:
            return
        day = span.anchor - timedelta(days=p.DEACTIVATED_DAYS - whole(rng, (2, 30)))
        others = managers[p.TEAMS["Enterprise"] : -1]
    elif rng.random() < p.SHARE_OWNER_CHANGES:
        day = span.history + timedelta(days=rng.randrange((span.end - span.history).days))
        team = customer.owner and customer.owner.changes[0].values["team"]
        others = [m for m in managers[:-1] if m.changes[0].values["team"] == team and m is not customer.owner]
    else:
        return
    at = millis(working_day(day), office_hour(rng))
    if at > customer.company.at and others:
        customer.company.change(at, owner=rng.choice(others))


def _set_parents(rng: random.Random, customers: list[Customer]) -> None:
    for customer in rng.sample(customers, round(len(customers) * p.SHARE_WITH_PARENT)):
        elders = [c for c in customers if c.signed < customer.signed and c.domain != customer.domain]
        if elders and customer.company:
            parent = rng.choice(elders)
            customer.company.change(millis(customer.signed, 12), parent=parent.company)


def _prospects(rng: random.Random, n_customers: int, managers: list[Record], span: Span) -> list[Record]:
    made = []
    for position in range(max(2, round(n_customers * p.PROSPECTS))):
        born = span.first_signing + timedelta(days=rng.randrange((span.end - span.first_signing).days))
        country = pick(rng, p.COUNTRIES)
        record = Record(
            "company",
            millis(born, office_hour(rng)),
            name=f"Prospect {position + 1} {rng.choice(('Partners', 'Group', 'Holding'))}",
            domain=f"prospect{position + 1}.example",
            industry=rng.choice(p.INDUSTRIES),
            country=country,
            tier=None,
            owner=rng.choice(managers[:-1]),
            lifecycle="lead",
            is_test=position == 0,
        )
        made.append(record)
        if position % 9 == 5:
            record.end(millis(born + timedelta(days=whole(rng, (60, 400))), office_hour(rng)))
    return made


def _merged_duplicate(rng: random.Random, customers: list[Customer], span: Span) -> list[Record]:
    """Add two duplicates of customers that are merged into the originals: one before the anchor, one after."""
    made = []
    for low, high in ((-200, -60), (20, 60)):
        day = span.anchor + timedelta(days=whole(rng, (low, high)))
        survivor = rng.choice([c for c in customers if c.signed < day - timedelta(days=60)])
        assert survivor.company
        at = millis(working_day(day), office_hour(rng))
        duplicate = Record(
            "company",
            at - whole(rng, (20, 50)) * 86_400_000,
            name=f"{survivor.name} (duplicate)",
            domain=survivor.domain,
            owner=survivor.owner,
            lifecycle="lead",
            is_test=False,
        )
        duplicate.end(at, "erase")
        survivor.company.change(at, merged_ids=[duplicate])
        made.append(duplicate)
    return made
