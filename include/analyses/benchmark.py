"""Benchmark customers: whom others of an industry could learn from, and what they do differently from like customers.

A difference does not prove a cause. It is a reason to look, and the draft of a playbook whose hold-out can show more.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa

from include.analyses import strata
from include.warehouse.engine import has_table

N_PEERS = 3
FEWEST = 5  # benchmark customers behind a statement about all of them
FALSE_FINDS = 0.1
DRAWS = 500
PERCENTILES = ("value_percentile", "breadth_percentile", "depth_percentile", "spread_percentile", "tenure_percentile")
_TABLES = ("marts.benchmark_customer", "marts.account_day", "core.feature_28d", "core.account")


@dataclass(frozen=True)
class Customer:
    """A benchmark customer.

    Args:
        rank: Mean of its known percentiles, 0 to 1.
        evidence: Figure -> its value, on the day.
        consent: Whether it agreed to be a reference; None if that is not recorded.
        asked_on: When it was last asked.
    """

    account_key: str
    name: str
    industry: str
    tier: str
    as_of: date
    arr: float
    rank: float
    evidence: Mapping[str, Any]
    consent: bool | None = None
    asked_on: date | None = None


@dataclass(frozen=True)
class Difference:
    """How often benchmark customers use a feature, and customers like them.

    Args:
        share: Share of the benchmark customers that use it.
        peer_share: Share of the matched customers that use it.
        standardised: The difference in standard deviations; None if neither group varies.
        p_adjusted: By permutation within the matched sets, adjusted for the number of features.
        is_shown: Whether p is at most 10%.
    """

    feature: str
    n: int
    share: float
    peer_share: float
    standardised: float | None
    p_adjusted: float
    is_shown: bool


@dataclass(frozen=True)
class Profile:
    """What decides which customers are alike, and what a customer uses."""

    account_key: str
    industry: str
    tier: str
    days: float
    seats: float | None
    features: frozenset[str]
    is_candidate: bool


def ranked(rows: Iterable[Mapping[Any, Any]]) -> list[Customer]:
    """Rank benchmark customers by the mean of their percentiles; of equal ones, the larger ARR comes first."""
    found = [
        Customer(
            row["account_key"],
            row["name"],
            row["industry"],
            row["tier"],
            row["as_of"],
            float(row["arr"] or 0),
            round(float(np.mean([row[name] for name in PERCENTILES if row[name] is not None])), 6),
            {name: row[name] for name in _EVIDENCE},
            row["reference_consent"],
            row["reference_asked_on"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.industry, -one.rank, -one.arr, one.account_key))


def read(connection: sa.Connection, accounts: Collection[str] | None = None) -> list[Customer]:
    """Return the benchmark customers at the newest month end, by industry and rank.

    Whoever has left since, has a red or yellow band or an open urgent ticket now is left out: nobody should be sent
    there. http://customerreferencing.blogspot.com/2010/08/when-to-not-use-customer-reference.html

    Args:
        accounts: Only these; None for all.
    """
    if not all(has_table(connection, name) for name in ("marts.benchmark_customer", "marts.act_account")):
        return []
    rows = connection.execute(_CANDIDATES, {"accounts": None if accounts is None else list(accounts)}).mappings()
    return ranked(rows)


def differences(connection: sa.Connection, industry: str = "") -> list[Difference]:
    """Compare the features of benchmark customers with those of their nearest other customers.

    Args:
        industry: Only this one; "" for all, each compared within itself.

    Returns:
        Strongest evidence first; nothing with fewer than five benchmark customers.
    """
    if not all(has_table(connection, name) for name in _TABLES):
        return []
    rows = connection.execute(_PROFILES, {"industry": industry}).mappings()
    return compared([Profile(**{**row, "features": frozenset(row["features"])}) for row in rows])


def compared(profiles: Sequence[Profile]) -> list[Difference]:
    """Compare each feature within sets of one benchmark customer and its matched peers."""
    sets = [(one, peers) for one, peers in matched(profiles) if peers]
    if len(sets) < FEWEST:
        return []
    names = sorted({name for one, peers in sets for each in (one, *peers) for name in each.features})
    found, p_values = [], []
    for name in names:
        used = [(name in one.features, [name in peer.features for peer in peers]) for one, peers in sets]
        found.append((name, *_difference(used)))
        p_values.append(_p(used, zlib.crc32(name.encode())))
    adjusted = strata.adjusted(p_values)
    made = [
        Difference(name, len(sets), share, peer_share, standardised, p, p <= FALSE_FINDS)
        for (name, share, peer_share, standardised), p in zip(found, adjusted, strict=True)
    ]
    return sorted(made, key=lambda one: (one.p_adjusted, -abs(one.share - one.peer_share), one.feature))


def matched(profiles: Sequence[Profile]) -> list[tuple[Profile, list[Profile]]]:
    """Match each benchmark customer with the three nearest others of its industry and tier, by tenure and seats.

    Distances are in standard deviations of the industry and tier. Unknown seats are compared by tenure alone. A
    customer may be the peer of several.
    """
    cells: dict[tuple[str, str], list[Profile]] = {}
    for one in profiles:
        cells.setdefault((one.industry, one.tier), []).append(one)
    found = []
    for cell in cells.values():
        others = [one for one in cell if not one.is_candidate]
        days = np.std([one.days for one in cell]) or 1.0
        seats = np.std([one.seats for one in cell if one.seats is not None] or [0]) or 1.0

        def distance(one: Profile, other: Profile, days: Any = days, seats: Any = seats) -> float:
            known = one.seats is not None and other.seats is not None
            of_seats = abs((one.seats or 0) - (other.seats or 0)) / seats if known else 0.0
            return float(abs(one.days - other.days) / days + of_seats)

        for one in (each for each in cell if each.is_candidate):
            nearest = sorted((distance(one, other), other.account_key, other) for other in others)
            found.append((one, [other for _, _, other in nearest[:N_PEERS]]))
    return found


def _difference(used: Sequence[tuple[bool, list[bool]]]) -> tuple[float, float, float | None]:
    share = float(np.mean([own for own, _ in used]))
    peer_share = float(np.mean([np.mean(peers) for _, peers in used]))
    spread = np.sqrt((share * (1 - share) + peer_share * (1 - peer_share)) / 2)
    return share, peer_share, float((share - peer_share) / spread) if spread else None


def _p(used: Sequence[tuple[bool, list[bool]]], seed: int) -> float:
    """Return the share of random choices of the benchmark customer within its set that differ as much."""
    n_used = np.array([own + sum(peers) for own, peers in used], dtype=float)
    size = np.array([1 + len(peers) for _, peers in used], dtype=float)
    drawn = np.random.default_rng(seed).random((DRAWS, len(used))) < n_used / size
    own = np.array([own for own, _ in used], dtype=float)

    def shift(chosen: Any) -> Any:
        return (chosen - (n_used - chosen) / (size - 1)).mean(axis=-1)

    return float((1 + (np.abs(shift(drawn.astype(float))) >= abs(shift(own)) - 1e-9).sum()) / (1 + DRAWS))


_EVIDENCE = (
    "n_customers", "days_as_customer", "milestones_on_time", "breadth", "depth", "active_seat_share", "band_since",
    "coverage", "nps_median", "good_rating_share", *PERCENTILES,
)  # fmt: skip
_CANDIDATES = sa.text(
    """
    select b.*, a.name, d.arr, a.reference_consent, a.reference_asked_on
    from marts.benchmark_customer as b
    join core.account as a on a.account_key = b.account_key
    join marts.act_account as t on t.account_key = b.account_key
    left join marts.account_day as d on d.account_key = b.account_key and d.day = b.as_of
    where b.as_of = (select max(as_of) from marts.benchmark_customer)
        and b.is_candidate
        and coalesce(t.health_band, '') not in ('red', 'yellow')
        and coalesce(t.n_open_urgent_tickets, 0) = 0
        and (cast(:accounts as text[]) is null or b.account_key = any(:accounts))
    """
)
_PROFILES = sa.text(
    """
    select
        b.account_key,
        b.industry,
        coalesce(b.tier, '') as tier,
        b.days_as_customer as days,
        d.paid_seats as seats,
        array(
            select f.feature from core.feature_28d as f where f.account_key = b.account_key and f.day = b.as_of
        ) as features,
        b.is_candidate
    from marts.benchmark_customer as b
    left join marts.account_day as d on d.account_key = b.account_key and d.day = b.as_of
    where b.as_of = (select max(as_of) from marts.benchmark_customer) and (:industry = '' or b.industry = :industry)
    order by b.account_key
    """
)
