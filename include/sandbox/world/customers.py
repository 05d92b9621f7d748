"""Who there is: managers, customers with their contracts' plans, contacts. Nothing has happened yet."""

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
    """The days between which the world plays."""

    anchor: date
    history: date  # usage and tickets start here
    dawn: date  # the oldest customer signs here
    end: date  # nothing happens from this day on

    @classmethod
    def around(cls, anchor: date) -> Span:
        """Return the span of a world whose present starts at a day."""
        history = add_months(anchor, -p.HISTORY_MONTHS)
        dawn = history - timedelta(days=p.BEFORE_HISTORY_DAYS)
        return cls(anchor, history, dawn, anchor + timedelta(days=p.HORIZON_DAYS))


@dataclass
class Term:
    """One term of a contract and how its renewal goes.

    Args:
        start: First day.
        end: The day after the last.
        seats: Bought seats.
        price: Net price of a seat for a year, in whole dollars divisible by 12.
        discount: What was taken off the list price, as a share.
        deal: Whether a deal of its own made it; an automatic renewal makes none.
        renewal: ``early``, ``on_time``, ``in_grace``, ``after_grace``, ``auto``, ``lost``; ``restarted`` by an upgrade;
            ``consolidated`` into another contract; ``open`` when it lies beyond the world's end.
        closes: The day on which that is settled.
        cut: The day on which the term was ended to be aligned with another contract.
        expands: Day and number of seats added in mid-term; a negative number was given back.
        replaced_from: The day before its end from which the next term counts in its place.
        is_upgrade: An upgrade in mid-term made it, and ended the one before.
        free_months: How many of its months, the last ones, are free.
        shortened: What it was cut short from, and the day on which that was agreed.
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
    record: Record | None = None  # the deal that made it, once written
    others: list[Record] = field(default_factory=list)  # further deals that made it
    joined: Term | None = None  # the term into which it was consolidated

    @property
    def agreed_end(self) -> date:
        """The day after the last, as it was agreed at first."""
        return self.shortened[0] if self.shortened else self.end

    @property
    def stops(self) -> date:
        """The day from which it counts no more."""
        return min(self.end, self.cut or self.end, self.replaced_from or self.end)

    @property
    def seats_at_end(self) -> int:
        """Seats including the expansion."""
        return self.seats + (self.expands[1] if self.expands else 0)


@dataclass
class Sold:
    """A product that a won deal sold for a term: what is committed.

    Args:
        term: For which term.
        line: The line item that says so.
        from_day: Its start, or the day of closing if that is later.
        yearly: What it brings a year.
        corrected: When its amount was corrected long after, in milliseconds since 1970, and to what a year.
    """

    term: Term
    line: Record
    from_day: date
    yearly: Decimal
    corrected: tuple[int, Decimal] | None = None


@dataclass
class Contract:
    """What stays the same over all terms of one contract."""

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
    """What a customer shows for a while."""

    cause: str
    start: date
    until: date  # it has passed, or the customer has left
    is_shown: bool = False  # whether anything came of it: a storm of tickets needs a customer whom the desk knows


@dataclass(frozen=True)
class Trouble:
    """What else truly went wrong with a customer, whether or not it leaves over it.

    Args:
        kind: ``unpaid``: an invoice; ``behind``: a milestone; ``person_gone``: a contact who can no longer log in;
            ``unlinked``: a product account that does not carry the CRM's id.
        start: When it began.
        until: When it was over.
        about: Whom it concerns.
    """

    kind: str
    start: date
    until: date = date.max
    about: Record | None = None


@dataclass
class Customer:
    """One customer of the make-believe vendor."""

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
    cause: str | None = None  # why it leaves; "silent" when nothing shows
    decided: date | None = None  # the decision date of the renewal at which it leaves
    left: date | None = None
    periods: list[tuple[date, date]] = field(default_factory=list)  # in which it is a customer, end exclusive
    owner: Record | None = None
    company: Record | None = None
    contacts: list[tuple[str, Record, str]] = field(default_factory=list)  # role, record, mail address

    def is_active(self, day: date) -> bool:
        """Return whether it is a customer on a day."""
        return any(start <= day < end for start, end in self.periods)


def owners(rng: random.Random, span: Span) -> list[Record]:
    """Return the managers; the last one is deactivated before the anchor and still owns accounts."""
    made = []
    for position, team in enumerate(team for team, size in p.TEAMS.items() for _ in range(size)):
        country = "United States" if position % 3 else "United Kingdom"
        first, last, _ = names.person(rng, country, "vendor.example", position)
        made.append(
            Record(
                "owner",
                millis(span.dawn - timedelta(days=90 - position), 9),
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
    """Return the customers in the order in which they sign: so many by the anchor, more at the same pace after it."""
    n_old = round(count * p.SHARE_OLD)
    count += round((count - n_old) * (span.end - span.anchor).days / (span.anchor - span.history).days)
    days = [span.dawn + timedelta(days=rng.randrange((span.history - span.dawn).days)) for _ in range(n_old)]
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
    # Every world has the hostile names among customers that matter, however small it is.
    for customer, name in zip(rng.sample(made[: max(8, n_old)], min(8, count)), names.HOSTILE_COMPANIES, strict=False):
        customer.name = name
    return made


def assign_owners(rng: random.Random, customers: list[Customer], managers: list[Record]) -> None:
    """Give each customer a manager: key accounts to the first team, small ones to the second."""
    first, second = managers[: p.TEAMS["Enterprise"]], managers[p.TEAMS["Enterprise"] :]
    for customer in customers:
        enterprise = {"key_account": 1.0, "standard": 0.5, "small": 0.0}[customer.tier]
        customer.owner = rng.choice(first if rng.random() < enterprise else second)
