"""Decide why customers leave, and which others show the same symptoms and stay.

No API ever serves this: it is the truth that alerts are judged against. At least a quarter of the leavers show no
symptom, and at least as many stayers as leavers show each symptom.
"""

from __future__ import annotations

import math
import random
from datetime import date, timedelta

from include.sandbox import parameters as p
from include.sandbox.world.customers import Customer, Span, Symptom
from include.sandbox.world.dates import between, pick, whole


def assign(rng: random.Random, customers: list[Customer], span: Span) -> None:
    """Give leavers a cause with its symptom, and stayers symptoms without consequences."""
    leavers = [c for c in customers if c.left and c.decided and c.decided > span.history + timedelta(days=30)]
    rng.shuffle(leavers)
    n_silent = math.ceil(len(leavers) * p.SHARE_SILENT)
    for customer in leavers[:n_silent]:
        customer.cause = "silent"
    starts: dict[str, list[date]] = {}
    for customer in leavers[n_silent:]:
        assert customer.decided and customer.left
        customer.cause = pick(rng, p.CAUSES)
        start = max(customer.signed, customer.decided - timedelta(days=whole(rng, p.SYMPTOM_LEAD_DAYS)))
        customer.symptoms.append(Symptom(customer.cause, start, customer.left))
        starts.setdefault(customer.cause, []).append(start)
    for cause, days in starts.items():
        _spread_over_stayers(rng, customers, cause, days)


def _spread_over_stayers(rng: random.Random, customers: list[Customer], cause: str, days: list[date]) -> None:
    """Let staying customers show a symptom at about the same times as leavers."""
    wanted = math.ceil(len(days) * p.STAYERS_PER_LEAVER)
    stayers = [c for c in customers if c.left is None]
    rng.shuffle(stayers)
    for position in range(wanted):
        start = days[position % len(days)] + timedelta(days=whole(rng, (-30, 30)))
        until = start + timedelta(days=round(between(rng, p.STAYER_RECOVERS_DAYS)))
        free = [c for c in stayers if c.signed + timedelta(days=60) <= start and not _overlaps(c, start, until)]
        if not free:
            continue  # a world with a handful of customers has too few stayers
        customer = min(free, key=lambda candidate: len(candidate.symptoms))
        customer.symptoms.append(Symptom(cause, start, until))


def _overlaps(customer: Customer, start: date, until: date) -> bool:
    return any(symptom.start <= until and start <= symptom.until for symptom in customer.symptoms)
