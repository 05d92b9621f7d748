"""How customers and prospects were found: the contacts' lifecycle dates and sources, and what the channels cost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date

from include.sandbox import parameters as p
from include.sandbox.world import names
from include.sandbox.world.customers import Customer, Span
from include.sandbox.world.dates import add_months, between, office_hour, pick, whole
from include.sandbox.world.records import DAY, Change, Record, millis

# The lifecycle stages of a lead in order, as fields of the contact.
STAGES = ("became_mql", "became_sql", "became_opportunity")
_LEADS_PER_CUSTOMER = 2


def write(rng: random.Random, customers: list[Customer], records: list[Record], span: Span) -> list[Record]:
    """Give contacts their lifecycle, and return a contact for each prospect."""
    for number, customer in enumerate(customers):
        signed = millis(customer.signed)
        early = [record for _, record, _ in customer.contacts if record.at < signed - DAY]
        channel = pick(rng, p.CHANNELS)
        for record in early[:_LEADS_PER_CUSTOMER]:
            _becomes_lead(rng, record, channel, record.at, signed, len(STAGES))
            if channel == p.REFERRALS and number:
                record.changes[0].values["referrer"] = rng.choice(customers[:number]).company
    prospects = [record for record in records if record.kind == "company" and _is_prospect(record)]
    return [_prospect(rng, record, number) for number, record in enumerate(prospects)]


def spend(span: Span) -> Iterator[tuple[date, str, str, int]]:
    """Yield month, channel, kind and amount, for the months of the history and after it."""
    month = span.history.replace(day=1)
    while month < span.end:
        for channel, (kind, amount) in p.CHANNEL_COSTS.items():
            yield month, channel, kind, amount
        month = add_months(month, 1)


def _is_prospect(record: Record) -> bool:
    return str(record.changes[0].values.get("domain") or "").startswith("prospect")


def _prospect(rng: random.Random, company: Record, number: int) -> Record:
    values = company.changes[0].values
    first, last, email = names.person(rng, values["country"], values["domain"], 1)
    born = company.at + whole(rng, (1, 20)) * DAY
    record = Record(
        "contact",
        born,
        company=company,
        email=email,
        first_name=first,
        last_name=last,
        job_title=rng.choice(names.JOBS["END_USER"]),
        role="END_USER",
        owner=values["owner"],
    )
    _becomes_lead(rng, record, pick(rng, p.CHANNELS_OF_PROSPECTS), born, born + 60 * DAY, 1 + number % 2)
    return record


def _becomes_lead(rng: random.Random, record: Record, channel: str, start: int, end: int, n_stages: int) -> None:
    """Set source and lead date at the record's creation, and the later stages on their days, before a given time."""
    record.changes[0].values.update(
        source=channel, last_source=channel, last_source_at=start, campaign=p.CAMPAIGNS.get(channel), became_lead=start
    )
    at = start
    for stage in STAGES[:n_stages]:
        at += round((end - at) * between(rng, (0.1, 0.4)))
        if rng.random() >= p.SHARE_STAGE_SKIPPED:
            record.changes.append(Change(at, {stage: at}))
    if rng.random() < p.SHARE_TOUCHED_AGAIN:
        touched = start + round((end - start) * 0.3) + int(office_hour(rng) * 1000)
        record.change(touched, last_source="EMAIL_MARKETING", last_source_at=touched)
