"""Zendesk's view: organisations, users, and the tickets over time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from include.sandbox import parameters as p
from include.sandbox.world import names
from include.sandbox.world.customers import Customer, Span
from include.sandbox.world.dates import between, office_hour, pick, whole, working_day
from include.sandbox.world.records import DAY, HOUR, Record, millis
from include.sandbox.world.tickets import Plan, write_ticket


@dataclass
class SupportDesk:
    """One customer in Zendesk."""

    organization: Record
    users: list[Record]


def write(rng: random.Random, customers: list[Customer], span: Span) -> list[Record]:
    """Return organisations, users, tickets, comments and ratings."""
    agents = _agents(rng, span)
    made = list(agents)
    plans: list[Plan] = []
    for customer in customers:
        if customer.left and customer.left < span.history:
            continue
        if rng.random() < p.SHARE_WITHOUT_DESK:
            continue
        desk = _organization(rng, customer)
        made += [desk.organization, *desk.users]
        plans += _tickets(rng, customer, desk, span)
    for plan in sorted(plans, key=lambda plan: plan.at):
        made += write_ticket(rng, plan, agents)
    return made


def _agents(rng: random.Random, span: Span) -> list[Record]:
    made = []
    for position in range(p.AGENTS):
        first, last, _ = names.person(rng, "United States", "vendor.example", position)
        made.append(
            Record(
                "support_user",
                millis(span.first_signing, 8 + position),
                name=f"{first} {last}",
                email=f"agent{position + 1}@vendor.example",
                role="admin" if position == 0 else "agent",
                organization=None,
                active=True,
            )
        )
    return made


def _organization(rng: random.Random, customer: Customer) -> SupportDesk:
    at = millis(working_day(customer.signed), office_hour(rng))
    organization = Record(
        "organization",
        at,
        name=customer.name,
        external=None if rng.random() < p.SHARE_DESK_WITHOUT_ID else customer.company,
        domain_names=[customer.domain],
        belongs_to=customer.company,
        tags=[customer.tier],
    )
    if rng.random() < 0.1:
        organization.change(at + whole(rng, (30, 500)) * DAY, tags=[customer.tier, "vip"])
    users = []
    for _role, contact, email in customer.contacts:
        values = contact.changes[0].values
        users.append(
            Record(
                "support_user",
                max(at + 60_000, contact.at + HOUR),
                name=f"{values['first_name']} {values['last_name']}",
                email=email,
                role="end-user",
                organization=organization,
                active=True,
            )
        )
        gone = next((change.at for change in contact.changes if change.op != "set"), None)
        if gone and gone > users[-1].at:
            users[-1].change(gone + HOUR, active=False)
    return SupportDesk(organization, users)


def _tickets(rng: random.Random, customer: Customer, desk: SupportDesk, span: Span) -> list[Plan]:
    plans: list[Plan] = []
    rate = p.TICKETS_PER_MONTH[customer.tier] / 30.4
    at = millis(max(customer.signed, span.history)) + rng.expovariate(rate) * DAY
    while at < millis(span.end):
        day = working_day(date.fromordinal(date(1970, 1, 1).toordinal() + int(at // DAY)))
        if customer.is_active(day):
            plans.append(_plan(rng, customer, desk, day, pick(rng, p.PRIORITIES)))
        at += rng.expovariate(rate) * DAY
    for symptom in customer.symptoms:
        symptom.is_shown = symptom.is_shown or symptom.cause in ("support_pain", "competitor")
        if symptom.cause == "support_pain":
            plans += _storm(rng, customer, desk, symptom.start)
        if symptom.cause == "competitor":
            plan = _plan(rng, customer, desk, working_day(symptom.start), "normal")
            plan.remark = f"We are comparing this with {rng.choice(names.COMPETITORS)}, where it just works."
            plans.append(plan)
    return [plan for plan in plans if plan.at < millis(span.end)]


def _plan(rng: random.Random, customer: Customer, desk: SupportDesk, day: date, priority: str | None) -> Plan:
    at = millis(day, office_hour(rng))
    present = [user for user in desk.users if user.at < at]
    subject = rng.choice(names.HOSTILE_SUBJECTS if rng.random() < 0.006 else names.SUBJECTS)
    return Plan(
        at=at // 1000 * 1000,  # Zendesk's clock has whole seconds
        organization=desk.organization,
        requester=rng.choice(present or desk.users[:1]),
        priority=priority,
        subject=subject,
        tags=[customer.tier] if rng.random() < 0.7 else [],
    )


def _storm(rng: random.Random, customer: Customer, desk: SupportDesk, start: date) -> list[Plan]:
    """Plan many severe tickets within weeks, answered slowly and rated badly; some stay open for long."""
    plans = []
    for _ in range(whole(rng, p.STORM_TICKETS)):
        day = working_day(start + timedelta(days=rng.randrange(p.STORM_DAYS)))
        plan = _plan(rng, customer, desk, day, rng.choice(("urgent", "urgent", "high")))
        plan.subject = rng.choice(names.STORM_SUBJECTS)
        plan.slow = between(rng, (3, 9))
        plan.is_angry = True
        plans.append(plan)
    return plans
