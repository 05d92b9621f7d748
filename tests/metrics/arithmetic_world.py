"""Synthetic customers for the second calculations, as plain Python: purchases, pauses, renewals and usage.

They buy, renew early, on time, late or never, expand and contract, pause, and try the product before buying or
without buying. Their users belong to teams and roles and have inactive periods.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd

from include.warehouse import raw_tables
from tests.fixtures import small_world as world

TODAY = date(2026, 6, 10)
DAY = timedelta(days=1)
GRACE, PAUSE = timedelta(days=30), timedelta(days=90)
MONTHS = [date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]
# The first day with known usage, and the features. A login is no value event.
USE_FROM = date(2026, 3, 1)
FEATURES = ("login", "dashboards", "reports", "automation", "api", "integrations")
VALUE = FEATURES[1:]


@dataclass
class Term:
    """One contract year: amount, start, end, signature date and list price."""

    arr: int
    start: date
    end: date
    signed: date
    list_arr: int | None = None

    @property
    def counts_from(self) -> date:
        return max(self.start, self.signed)


@dataclass
class Customer:
    """One account: its terms, a pause, its first day in the product, and its users' events."""

    name: str
    tier: str
    terms: list[Term]
    pause: tuple[date, date | None] | None = None
    product_since: date | None = None
    users: list[dict] = field(default_factory=list)
    uses: list[dict] = field(default_factory=list)
    seats: dict[date, tuple[int, int]] = field(default_factory=dict)
    milestone: date | None = None
    stage: str | None = None
    overage: list[tuple[date, int]] = field(default_factory=list)

    def _running(self, day: date) -> int:
        return sum(term.arr for term in self.terms if term.counts_from <= day < term.end)

    def is_paused(self, day: date) -> bool:
        return self.pause is not None and self.pause[0] <= day < (self.pause[1] or date.max)

    def arr(self, day: date) -> int:
        return 0 if self.is_paused(day) else self._running(day)

    def paused(self, day: date) -> int:
        """Return ARR that is paused and still kept, for up to 90 days."""
        return self._running(day) if self.is_paused(day) and self.pause and day < self.pause[0] + PAUSE else 0

    def pending(self, day: date) -> int:
        """Return pending ARR: ended, and within the grace period until signed."""
        waiting = 0
        for term, following in self.pairs():
            signed = following.counts_from if following else None
            if signed and signed > term.end + GRACE:
                signed = None  # signed too late: the churn is backdated
                if day >= term.end:
                    continue
            if signed is None and following is None and term.end + GRACE <= TODAY:
                continue
            until = signed or term.end + GRACE
            if term.end <= day < until:
                waiting += term.arr
        return waiting

    def kept(self, day: date) -> int:
        return self.arr(day) + self.pending_or_paused(day)

    def pending_or_paused(self, day: date) -> int:
        return self.pending(day) + self.paused(day)

    def pairs(self) -> itertools.zip_longest:
        """Return each term with its successor, if any."""
        return itertools.zip_longest(self.terms, self.terms[1:])

    @property
    def first_day(self) -> date | None:
        """Return its first day as a customer."""
        return self.terms[0].counts_from if self.terms else None


def customers(seed: int) -> list[Customer]:
    """Return forty with contracts, three more that pause, and eight trials."""
    draw = random.Random(seed)
    found = [_with_contract(draw, number) for number in range(40)]
    pauses = {"70": (date(2026, 4, 10), date(2026, 5, 20)), "71": (date(2026, 1, 15), None),
              "72": (date(2026, 5, 5), None)}  # fmt: skip
    year = date(2025, 8, 1), date(2026, 8, 1), date(2025, 8, 1)
    found += [Customer(name, "small", [Term(12000, *year)], pause=pause) for name, pause in pauses.items()]
    for number in range(60, 68):
        found.append(Customer(str(number), "small", [], product_since=date(2025, 12, 1) + draw.randrange(170) * DAY))
    for number, one in enumerate(found):
        if one.product_since:
            _use(draw, number, one)
    return found


def _with_contract(draw: random.Random, number: int) -> Customer:
    is_young = number % 5 == 0
    start = date(2025, 12, 1) + draw.randrange(100) * DAY if is_young else date(2024, 4, 1) + draw.randrange(700) * DAY
    terms = [Term(draw.randrange(12, 240) * 100, start, _year_after(start), start)]
    while terms[-1].end < TODAY:
        last = terms[-1]
        what = draw.choice(["early", "on time", "late", "very late", "never", "on time"])
        days = {"early": -50, "on time": -3, "late": draw.randrange(1, 30), "very late": 45, "never": 0}[what]
        signed = last.end + days * DAY
        if what == "never" or signed > TODAY:
            break
        arr = last.arr * draw.choice([50, 100, 100, 120]) // 100
        list_arr = arr * draw.choice([100, 125, 200]) // 100 if draw.random() < 0.6 else None
        terms.append(Term(arr, last.end, _year_after(last.end), signed, list_arr))
    one = Customer(f"{number + 10}", draw.choice(["small", "large"]), terms)
    if int(one.name) % 4 != 2:
        one.product_since = start - draw.randrange(-20, 130) * DAY if is_young else date(2025, 6, 1)
    if draw.random() < 0.5:
        one.stage = draw.choice(["contractsent", "qualifiedtobuy", "of our own"])
    if draw.random() < 0.3:
        last_days = [date(2026, 2, 28), *MONTHS, date(2026, 4, 15)]
        one.overage = [(draw.choice(last_days), draw.randrange(10, 900)) for _ in range(3)]
    if draw.random() < 0.2:
        one.milestone = start + draw.randrange(5, 60) * DAY
    return one


def _use(draw: random.Random, number: int, one: Customer) -> None:
    """Add usage by up to nine users and sometimes a bot, with an inactive period at every third account."""
    since = max(one.product_since or USE_FROM, USE_FROM)
    silent = since + draw.randrange(5, 40) * DAY if number % 3 == 0 else date.max - 60 * DAY
    people = draw.choice([0, 1, 3, 6, 9])
    for k in range(people + (number % 7 == 0)):
        user = {
            "id": f"u{one.name}-{k}", "role": draw.choice(["admin", "user", "finance", None]),
            "team": draw.choice(["east", "west", None]), "is_bot": k == people,
        }  # fmt: skip
        one.users.append(user)
        share = 0.9 if user["is_bot"] else draw.choice([0.0, 0.03, 0.15, 0.5])
        for day in pd.date_range(since, TODAY - DAY).date:
            if draw.random() < share and not silent <= day < silent + 34 * DAY:
                minutes = draw.randrange(1, 120) / 2 if number % 3 else None
                one.uses.append({"user": user["id"], "day": day, "feature": draw.choice(FEATURES),
                                 "n": draw.randrange(1, 9), "minutes": minutes})  # fmt: skip
    if number % 4 == 1:
        paid, changed = people + draw.randrange(1, 8), since + draw.randrange(20, 80) * DAY
        for day in pd.date_range(since, TODAY - DAY).date:
            now = paid + (4 if day >= changed else 0)
            one.seats[day] = now, min(people, now)


def uses(played: list[Customer]) -> pd.DataFrame:
    """Yield every event of a human user, with account, role and team."""
    found = []
    for one in played:
        people = {user["id"]: user for user in one.users if not user["is_bot"]}
        for use in one.uses:
            if use["user"] in people:
                user = people[use["user"]]
                found.append({"account": one.name, "role": user["role"], "team": user["team"], **use})
    return pd.DataFrame(found)


def load(played: list[Customer]) -> None:
    """Load them as their sources would deliver them."""
    raw_tables.ensure_raw_tables()
    world.load("owner", world.owner("7"))
    world.load("account", *(world.account(one.name, tier=one.tier) for one in played))
    _load_contracts(played)
    known = [one for one in played if one.product_since]
    world.load(
        "product_account",
        *(world.product_account(f"p{one.name}", one.name, created_at=_at(one.product_since)) for one in known),
    )
    world.load("product_user", *(
        world.record(user["id"], account_id=f"p{one.name}", created_at=_at(one.product_since),
                     role=user["role"], team=user["team"], is_bot=user["is_bot"])
        for one in known for user in one.users
    ))  # fmt: skip
    said = [
        world.record(f"{use['user']}|{use['day']}", account_id=f"p{one.name}", user_id=use["user"], day=use["day"],
                     feature=use["feature"], n_events=use["n"], minutes=use["minutes"])
        for one in known for use in one.uses
    ]  # fmt: skip
    # A row of another customer marks the first day with known usage.
    world.load("usage_day", *said, world.usage("stranger", "x", USE_FROM, 1))
    world.load("seat_day", *(world.seats(one.name, day, *n) for one in known for day, n in one.seats.items()))
    world.mark_sources_green()


def _load_contracts(played: list[Customer]) -> None:
    deals, lines, milestones = [], [], []
    for one in played:
        paused_on, resumed_on = one.pause or (None, None)
        for number, term in enumerate(one.terms):
            kind = "renewal" if number else "new"
            name = f"{one.name}-{number}"
            said = {"created_at": _at(term.signed - 60 * DAY), "close_date": term.signed, "opportunity_type": kind}
            deals.append(world.deal(f"d{name}", one.name, **said))
            values = {"paused_on": paused_on, "resumed_on": resumed_on}
            if term.list_arr is not None:
                values["list_amount"] = Decimal(term.list_arr)
            lines.append(world.line(f"l{name}", f"d{name}", term.arr, term.start, term.end, **values))
        for number, (day, amount) in enumerate(one.overage):
            said = {"is_overage": True, "is_recurring": number == 0}
            lines.append(
                world.line(f"x{one.name}-{number}", f"d{one.name}-0", amount, day - 9 * DAY, day + DAY, **said)
            )
        if one.stage and one.terms:
            said = {"is_closed": False, "is_won": False, "opportunity_type": "renewal", "stage": one.stage}
            deals.append(
                world.deal(f"d{one.name}-open", one.name, created_at=_at(one.terms[-1].end - 60 * DAY), **said)
            )
        if one.milestone:
            values = {"account_id": one.name, "kind": "onboarding", "status": "accepted", "done_on": one.milestone}
            milestones.append(world.record(f"m{one.name}", created_at=_at(one.milestone - 9 * DAY), **values))
    world.load("opportunity", *deals)
    world.load("contract_line", *lines)
    world.load("milestone", *milestones)


def _year_after(day: date) -> date:
    return day.replace(year=day.year + 1) if (day.month, day.day) != (2, 29) else date(day.year + 1, 2, 28)


def _at(day: date | None) -> datetime | None:
    return day and datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
