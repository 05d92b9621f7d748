"""The people and companies: CSMs, customers with their contract plans, contacts. Nothing has happened yet."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from include.sandbox import parameters as p
from include.sandbox.world import names
from include.sandbox.world.dates import add_months, pick
from include.sandbox.world.records import Record, millis


@dataclass(frozen=True)
class Span:
    """The days that the world covers."""

    anchor: date
    history: date  # usage and tickets start here
    first_signing: date  # the oldest customer signs here
    end: date  # nothing happens from this day on

    @classmethod
    def around(cls, anchor: date) -> Span:
        """Return the span of a world around its anchor day."""
        history = add_months(anchor, -p.HISTORY_MONTHS)
        first_signing = history - timedelta(days=p.BEFORE_HISTORY_DAYS)
        return cls(anchor, history, first_signing, anchor + timedelta(days=p.HORIZON_DAYS))


@dataclass
class Term:
    """One term of a contract and how its renewal goes.

    Args:
        start: First day.
        end: The day after the last one.
        seats: Seats bought.
        price: Net price per seat and year, in whole dollars divisible by 12.
        discount: Share taken off the list price.
        deal: Whether it has its own deal; an automatic renewal has none.
        renewal: ``early``, ``on_time``, ``in_grace``, ``after_grace``, ``auto``, ``lost``; ``restarted`` by an upgrade;
            ``consolidated`` into another contract; ``open`` if it is after the world's end.
        closes: The day on which the renewal is settled.
        cut: The day on which the term was ended to align it with another contract.
        expands: Day and number of seats added in mid-term; negative for a reduction.
        replaced_from: The day before its end from which the next term replaces it.
        is_upgrade: Whether an upgrade in mid-term created it and ended the previous term.
        free_months: Number of free months at its end.
        shortened: The originally agreed end, and the day on which the earlier end was agreed.
        signed_by: Another company that signed it.
    """

    start: date
    end: date
    seats: int
    price: int
    discount: float = 0.0
    deal: bool = True
    renewal: str = "open"
    closes: date | None = None
    cut: date | None = None
    expands: tuple[date, int] | None = None
    replaced_from: date | None = None
    is_upgrade: bool = False
    free_months: int = 0
    shortened: tuple[date, date] | None = None
    signed_by: Record | None = None
    record: Record | None = None  # its deal, once written
    others: list[Record] = field(default_factory=list)  # further deals of the term
    joined: Term | None = None  # the term that it was consolidated into

    @property
    def agreed_end(self) -> date:
        """The day after the last one, as agreed originally."""
        return self.shortened[0] if self.shortened else self.end

    @property
    def stops(self) -> date:
        """The day from which it no longer counts."""
        return min(self.end, self.cut or self.end, self.replaced_from or self.end)

    @property
    def seats_at_end(self) -> int:
        """Seats including the expansion."""
        return self.seats + (self.expands[1] if self.expands else 0)


@dataclass
class Sold:
    """A product that a won deal sold for a term: the commitment.

    Args:
        term: The term.
        line: Its line item.
        from_day: Its start, or the closing day if that is later.
        yearly: Yearly amount.
        corrected: When its amount was corrected long after (milliseconds since 1970), and the corrected yearly amount.
    """

    term: Term
    line: Record
    from_day: date
    yearly: Decimal
    corrected: tuple[int, Decimal] | None = None


@dataclass
class Contract:
    """The constants of a contract over all its terms."""

    number: str
    months: int
    notice_months: int | None
    auto: bool
    add_on: bool
    services: bool
    terms: list[Term] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)

    def decision(self, term: Term) -> date:
        """Return the last day on which the customer can decide about a term's end."""
        return add_months(term.end, -(self.notice_months or 0))


@dataclass
class Symptom:
    """A symptom that a customer shows for a while."""

    cause: str
    start: date
    until: date  # it has passed, or the customer has left
    is_shown: bool = False  # whether it became visible: a ticket storm needs a customer in Zendesk


@dataclass(frozen=True)
class Trouble:
    """Another real problem of a customer, whether or not it leaves because of it.

    Args:
        kind: ``unpaid``: an invoice; ``behind``: a milestone; ``person_gone``: a contact who can no longer log in;
            ``unlinked``: a product account without the CRM's id.
        start: When it began.
        until: When it ended.
        about: The person concerned.
    """

    kind: str
    start: date
    until: date = date.max
    about: Record | None = None


@dataclass
class Customer:
    """One customer of the simulated vendor."""

    number: int
    name: str
    domain: str
    country: str
    industry: str
    tier: str
    signed: date
    contracts: list[Contract] = field(default_factory=list)
    symptoms: list[Symptom] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    cause: str | None = None  # why it leaves; "silent" without symptoms
    decided: date | None = None  # the decision date of the renewal at which it leaves
    left: date | None = None
    periods: list[tuple[date, date]] = field(default_factory=list)  # periods as a customer, end exclusive
    owner: Record | None = None
    company: Record | None = None
    contacts: list[tuple[str, Record, str]] = field(default_factory=list)  # role, record, mail address

    def is_active(self, day: date) -> bool:
        return any(start <= day < end for start, end in self.periods)


def owners(rng: random.Random, span: Span) -> list[Record]:
    """Return the CSMs. The last one is deactivated before the anchor and still owns accounts."""
    made = []
    for position, team in enumerate(team for team, size in p.TEAMS.items() for _ in range(size)):
        country = "United States" if position % 3 else "United Kingdom"
        first, last, _ = names.person(rng, country, "vendor.example", position)
        made.append(
            Record(
                "owner",
                millis(span.first_signing - timedelta(days=90 - position), 9),
                email=f"{first}.{position + 1}@vendor.example".lower(),
                first_name=first,
                last_name=last,
                user_id=2_506_600 + 13 * position,
                team=team,
            )
        )
    made[-1].end(millis(span.anchor - timedelta(days=p.DEACTIVATED_DAYS), 16.4))
    return made


def customers(rng: random.Random, span: Span, count: int) -> list[Customer]:
    """Return the customers in order of signing: ``count`` by the anchor, and more at the same pace afterwards."""
    n_old = round(count * p.SHARE_OLD)
    count += round((count - n_old) * (span.end - span.anchor).days / (span.anchor - span.history).days)
    days = [
        span.first_signing + timedelta(days=rng.randrange((span.history - span.first_signing).days))
        for _ in range(n_old)
    ]
    days += [span.history + timedelta(days=rng.randrange((span.end - span.history).days)) for _ in range(count - n_old)]
    countries = [pick(rng, p.COUNTRIES) for _ in range(count)]
    named = names.companies(rng, countries)
    made = [
        Customer(0, name, domain, country, rng.choice(p.INDUSTRIES), pick(rng, p.TIERS), signed)
        for (name, domain), country, signed in zip(named, countries, days, strict=True)
    ]
    made.sort(key=lambda customer: customer.signed)
    for number, customer in enumerate(made):
        customer.number = number
    # Every world, however small, has hostile names among its important customers.
    for customer, name in zip(rng.sample(made[: max(8, n_old)], min(8, count)), names.HOSTILE_COMPANIES, strict=False):
        customer.name = name
    return made


def assign_owners(rng: random.Random, customers: list[Customer], managers: list[Record]) -> None:
    """Assign a CSM to each customer: key accounts to the first team, small ones to the second."""
    first, second = managers[: p.TEAMS["Enterprise"]], managers[p.TEAMS["Enterprise"] :]
    for customer in customers:
        enterprise = {"key_account": 1.0, "standard": 0.5, "small": 0.0}[customer.tier]
        customer.owner = rng.choice(first if rng.random() < enterprise else second)
