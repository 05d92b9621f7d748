"""Obscure add: missing ids, shared domains, and names that are spelled differently.

A record keeps its true owner in ``belongs_to``, which no vendor API shows.
"""

from __future__ import annotations

import random

from include.sandbox import parameters as p
from include.sandbox.world.customers import Customer, Trouble
from include.sandbox.world.dates import pick
from include.sandbox.world.records import Record

# The field with the CRM's id, and the field with domains.
_FIELDS = {"organization": ("external", "domain_names"), "workspace": ("crm_ref", "domain")}


def add(rng: random.Random, customers: list[Customer], records: list[Record]) -> None:
    """Remove ids, domains and exact names from some records, and give some contacts a second address."""
    by_company = {id(customer.company): customer for customer in customers}
    parents = _share_domains(rng, customers, by_company)
    for record in records:
        if record.kind in _FIELDS:
            _obscure(rng, record, by_company, parents)
    users: dict[str, list[Record]] = {}
    for record in records:
        if record.kind == "support_user":
            users.setdefault(record.changes[0].values["email"], []).append(record)
    for customer in customers:
        _second_addresses(rng, customer, users)


def _share_domains(
    rng: random.Random, customers: list[Customer], by_company: dict[int, Customer]
) -> dict[int, tuple[Customer, bool]]:
    """Let subsidiaries use their parent's domain, and some companies a mail provider's.

    Returns:
        Number of a subsidiary -> its parent, and whether the CRM has the parent's domain too.
    """
    found: dict[int, tuple[Customer, bool]] = {}
    for customer in customers:
        assert customer.company
        values = customer.company.changes[0].values
        parent = next((c.values["parent"] for c in customer.company.changes if c.values.get("parent")), None)
        if parent is not None:
            found[customer.number] = by_company[id(parent)], rng.random() < p.SHARE_PARENT_DOMAIN
            if found[customer.number][1]:
                values["domain"] = found[customer.number][0].domain
        elif rng.random() < p.SHARE_COMPANY_AT_MAIL_PROVIDER:
            values["domain"] = rng.choice(p.MAIL_PROVIDERS)
    return found


def _obscure(
    rng: random.Random, record: Record, by_company: dict[int, Customer], parents: dict[int, tuple[Customer, bool]]
) -> None:
    values = record.changes[0].values
    id_field, domain_field = _FIELDS[record.kind]
    kind = pick(rng, {**p.UNNAMED, "id": 1 - sum(p.UNNAMED.values())})
    outside, provider, digits = rng.random(), rng.choice(p.MAIL_PROVIDERS), rng.randrange(10_000, 99_999)
    customer = by_company.get(id(values.get("belongs_to")))
    if customer is None:
        return
    if record.kind == "workspace" and kind != "id":
        customer.troubles.append(Trouble("unlinked", customer.signed))
    domain: str | None = customer.domain
    if customer.number in parents:
        parent, in_crm = parents[customer.number]
        domain = parent.domain if in_crm or outside < p.SHARE_PARENT_DOMAIN_OUTSIDE else domain
    if kind == "domain":
        values[id_field] = None
    elif kind == "mail_provider":
        values[id_field], domain = None, provider
    elif kind == "name":
        values[id_field], domain = None, None
        values["name"] = _otherwise(rng, customer.name)
    elif kind == "stale_id":
        values[id_field] = digits
    values[domain_field] = domain if domain_field == "domain" else [domain] if domain else []


def _otherwise(rng: random.Random, name: str) -> str:
    """Return a company's name as somebody else would type it."""
    words = name.replace(",", "").split()
    short = " ".join(words[:-1]) if len(words) > 2 else name
    way = rng.randrange(4)
    if way == 0:
        return short.upper()
    if way == 1:
        return f"{short} - production"
    if way == 2:
        return "-".join(short.split())
    at = rng.randrange(1, max(2, len(short) - 1))
    return short[:at] + short[at + 1 :]


def _second_addresses(rng: random.Random, customer: Customer, users: dict[str, list[Record]]) -> None:
    for _, contact, email in customer.contacts:
        if rng.random() < p.SHARE_SECOND_ADDRESS:
            second = f"{email.partition('@')[0]}@mail.{customer.domain}"
            contact.changes[0].values["other_emails"] = second
            for user in users.get(email, []):
                user.changes[0].values["email"] = second
