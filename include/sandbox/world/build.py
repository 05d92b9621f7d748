"""Build the world: the same seed, anchor and number of customers give the same bytes on any machine."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import date

from include.sandbox import parameters as p
from include.sandbox.world import (
    causes,
    contracts,
    crm,
    deals,
    dirt,
    events,
    fields,
    found,
    growth,
    identity_noise,
    relations,
    support,
    support_found,
)
from include.sandbox.world import usage as product
from include.sandbox.world.customers import Customer, Span, assign_owners, customers, owners
from include.sandbox.world.records import Record, number


@dataclass
class World:
    """The whole world, past and future.

    Args:
        seed: Seeds all random draws.
        span: The days that it covers.
        customers: Its customers, with the hidden truth about them.
        records: All records, numbered, with all their changes.
        usage: Members' usage, as columns.
        seats: Workspace, day, paid and activated seats.
        style: How its contracts are recorded.
    """

    seed: int
    span: Span
    customers: list[Customer]
    records: list[Record]
    usage: product.Usage
    seats: list[tuple[int, int, int, int]]
    style: str = "ideal"

    def fingerprint(self) -> str:
        """Return a hash of the whole world."""
        digest = hashlib.sha256()
        for record in self.records:
            digest.update(f"{record.kind}{record.id}{record.changes}".encode())
        for column in vars(self.usage).values():
            digest.update(column.tobytes())
        digest.update(repr(self.seats).encode())
        return digest.hexdigest()


# ideal: without irregularities; found: a portal that grew over years; deals: no line items; companies: no deals. All
# except ideal describe the same contracts.
PORTAL_STYLES = ("ideal", "found", "deals", "companies")


def build(seed: int, anchor: date, count: int = p.CUSTOMERS, style: str = "ideal") -> World:
    """Build the world of a seed.

    Args:
        seed: Any integer.
        anchor: The demo's today: history is before it, the future after it.
        count: Customers signed by then; more follow.
        style: How contracts are recorded: one of ``PORTAL_STYLES``.
    """
    # A separate random stream per part, so that a change in one leaves the others unchanged.
    parts = (
        "people",
        "contracts",
        "causes",
        "crm",
        "deals",
        "desk",
        "product",
        "dirt",
        "relations",
        "identity",
        "events",
        "custom",
        "custom desk",
        "growth",
    )
    streams = {part: random.Random(f"{seed} {part}") for part in parts}
    span = Span.around(anchor)
    managers = owners(streams["people"], span)
    everyone = customers(streams["people"], span, count)
    assign_owners(streams["people"], everyone, managers)
    happens = None if style == "ideal" else events.Events(streams["events"])
    for customer in everyone:
        contracts.plan(streams["contracts"], customer, span, happens)
    causes.assign(streams["causes"], everyone, span)
    records = [*managers, *crm.write(streams["crm"], everyone, managers, span)]
    records += deals.write(streams["deals"], everyone, span)
    records = _recorded(streams["custom"], everyone, records, span, style)
    at_desk = support.write(streams["desk"], everyone, span)
    records += at_desk if style == "ideal" else support_found.record(streams["custom desk"], at_desk, span)
    spaces = product.workspaces(streams["product"], everyone, span)
    for space in spaces:
        records += [space.record, *(member[0] for member in space.members)]
    records += relations.write(streams["relations"], everyone, span)
    dirt.add(streams["dirt"], records, span)
    identity_noise.add(streams["identity"], everyone, records)
    records += growth.write(streams["growth"], everyone, records, span)
    number(records)
    return World(seed, span, everyone, records, product.usage(seed, spaces, span), product.seats(spaces, span), style)


def _recorded(
    rng: random.Random, everyone: list[Customer], records: list[Record], span: Span, style: str
) -> list[Record]:
    """Return the CRM's records in a portal's style."""
    if style == "found":
        return records + found.record(rng, everyone, records)
    if style == "deals":
        return found.as_deals(rng, everyone, records)
    if style == "companies":
        return fields.as_companies(rng, everyone, records, span)
    return records
