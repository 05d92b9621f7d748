"""The product's view: workspaces, their members, and each member's daily usage."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from include.sandbox import parameters as p
from include.sandbox.world import names
from include.sandbox.world.customers import Customer, Span, Trouble
from include.sandbox.world.dates import between, office_hour, pick, whole
from include.sandbox.world.records import DAY, HOUR, MINUTE, Record, day_of, millis

FEATURES = tuple(p.FEATURES)
MOST_MINUTES = 240.0  # per day and feature
DAY_ENDS = 24 * HOUR  # a day's figures are final soon after it


@dataclass
class Workspace:
    """One account of the product."""

    record: Record
    customer: Customer | None
    members: list[tuple[Record, str, int, int]] = field(default_factory=list)  # record, kind, active from, until (ms)


def workspaces(rng: random.Random, customers: list[Customer], span: Span) -> list[Workspace]:
    """Return the product's accounts with their members: customers, trials, and the vendor's own account."""
    made = [_of_customer(rng, customer, span) for customer in customers if _has_product(customer, span)]
    for position in range(max(1, round(len(customers) * p.TRIALS))):
        day = span.history + timedelta(days=rng.randrange((span.end - span.history).days))
        made.append(_other(rng, f"Trial {position + 1}", "trial", day, False, span, whole(rng, (1, 3))))
    made.append(_other(rng, "Vendor staff", "internal", span.history - timedelta(days=300), True, span, 5))
    return made


def _has_product(customer: Customer, span: Span) -> bool:
    return any(end > span.history for _, end in customer.periods)


def _of_customer(rng: random.Random, customer: Customer, span: Span) -> Workspace:
    born = millis(customer.signed, office_hour(rng))
    record = Record(
        "workspace",
        born,
        name=customer.name,
        crm_ref=customer.company,
        domain=customer.domain,
        belongs_to=customer.company,
        plan={"key_account": "enterprise", "standard": "business", "small": "team"}[customer.tier],
        internal=False,
    )
    workspace = Workspace(record, customer)
    number = 0
    for position in range(_n_users(rng, customer)):
        joined = born + round(between(rng, (0, 45)) * DAY) if position else born + HOUR
        while joined < millis(span.end):
            leaves = joined + round(rng.expovariate(p.USER_LEAVES_PER_YEAR / 365) * DAY)
            leaves = min(leaves, _champion_goes(customer, number)) if number == 0 else leaves
            number += 1
            email = (
                customer.contacts[number - 1][2] if number <= len(customer.contacts) else f"u{number}@{customer.domain}"
            )
            _join(rng, workspace, email, joined, leaves, span, is_first=number == 1)
            if number <= len(customer.contacts) and leaves < millis(span.end):
                about = customer.contacts[number - 1][1]
                customer.troubles.append(Trouble("person_gone", day_of(leaves), about=about))
            joined = leaves + round(between(rng, (5, 40)) * DAY)
    if rng.random() < p.SHARE_BOTS * 3:
        _join(rng, workspace, f"bot@{customer.domain}", born + DAY, millis(span.end), span, kind="bot")
    if rng.random() < 0.1:
        record.change(born + whole(rng, (60, 400)) * DAY, plan="business-plus")
    return workspace


def _n_users(rng: random.Random, customer: Customer) -> int:
    seats = sum(contract.terms[0].seats for contract in customer.contracts[:2])
    return max(1, round(seats * between(rng, p.SEAT_USE)))


def _champion_goes(customer: Customer, number: int) -> int:
    """Return when the first member, the champion, loses the login: when the champion leaves the customer."""
    days = [symptom.start for symptom in customer.symptoms if symptom.cause == "champion_left"]
    return (
        millis(min(days), 17)
        if days and millis(min(days)) > millis(customer.signed) + DAY
        else millis(date(2200, 1, 1))
    )


def _join(
    rng: random.Random,
    workspace: Workspace,
    email: str,
    joined: int,
    leaves: int,
    span: Span,
    kind: str = "",
    is_first: bool = False,
) -> None:
    shares = {name: share for name, (share, _) in p.USER_KINDS.items()}
    kind = kind or ("daily" if is_first else pick(rng, shares))
    activated = joined + round(between(rng, (0.02, 6)) * DAY) if kind != "rare" or rng.random() > 0.3 else None
    record = Record(
        "member",
        joined,
        workspace=workspace.record,
        email=email,
        role="owner" if is_first else rng.choice(("admin", "editor", "viewer", "viewer", "finance")),
        team=rng.choice(names.TEAM_NAMES),
        is_bot=kind == "bot",
        activated_at=None,
        deactivated_at=None,
    )
    if activated and activated < leaves:
        record.change(activated, activated_at=activated)
    if leaves < millis(span.end):
        record.change(leaves, deactivated_at=leaves)
    workspace.members.append((record, kind, activated or leaves, leaves))


def _other(rng: random.Random, name: str, plan: str, day: date, internal: bool, span: Span, n_users: int) -> Workspace:
    born = millis(day, office_hour(rng))
    record = Record("workspace", born, name=name, crm_ref=None, plan=plan, internal=internal)
    workspace = Workspace(record, None)
    leaves = millis(span.end) + DAY if internal else born + 30 * DAY
    for position in range(n_users):
        email = (
            f"staff{position}@vendor.example" if internal else f"t{position}@{name.replace(' ', '').lower()}.example"
        )
        _join(rng, workspace, email, born + HOUR, leaves, span)
    return workspace


@dataclass
class Usage:
    """Usage per member, feature and day, as columns of equal length, ordered by first appearance.

    A row first appears during its day with part of its events, and is final soon after the day.
    """

    workspace: np.ndarray
    member: np.ndarray
    feature: np.ndarray  # position in FEATURES
    day: np.ndarray  # days since 1970
    partial: np.ndarray
    events: np.ndarray
    minutes: np.ndarray
    first_at: np.ndarray  # ms
    final_at: np.ndarray  # ms


def usage(seed: int, spaces: list[Workspace], span: Span) -> Usage:
    """Draw every member's usage on every day of the span. Records must be numbered."""
    generator = np.random.default_rng([seed, 7])
    n_days = (span.end - span.history).days
    first_day = millis(span.history) // DAY
    calendar = _calendar(span, n_days)
    weights = np.array(list(p.FEATURES.values()), dtype=np.float32)
    chunks: list[np.ndarray] = []
    for space in spaces:
        factor = calendar * _customer_factor(generator, space, span, n_days)
        for record, kind, since, until in space.members:
            low = max(0, since // DAY - first_day)
            high = min(n_days, until // DAY - first_day)
            if low < high:
                rows = _member_days(generator, kind, factor[low:high], weights, int(low))
                chunks.append(_with_ids(rows, space.record.id, record.id, first_day))
    return _timed(generator, np.concatenate(chunks, axis=1))


def _calendar(span: Span, n_days: int) -> np.ndarray:
    days = [span.history + timedelta(days=offset) for offset in range(n_days)]
    weekday = np.array([p.WEEKEND if day.weekday() > 4 else 1.0 for day in days])
    return weekday * np.array([p.SEASON.get(day.month, 1.0) for day in days])


def _customer_factor(generator: np.random.Generator, space: Workspace, span: Span, n_days: int) -> np.ndarray:
    """Return a customer's daily factor: a slow wave, times 0 without a contract, times the effect of symptoms."""
    offsets = np.arange(n_days)
    wave = 1 + 0.12 * np.sin(2 * np.pi * (offsets / generator.uniform(70, 160) + generator.uniform()))
    customer = space.customer
    if customer is None:
        return wave
    running = np.zeros(n_days)
    for start, end in customer.periods:
        low = max(0, (start - span.history).days)
        running[low : max(low, (min(end, span.end) - span.history).days)] = 1
    for symptom in customer.symptoms:
        if symptom.cause == "low_adoption":
            symptom.is_shown = True
            low, high = ((day - span.history).days for day in (symptom.start, symptom.until))
            wave = wave * _fall(generator, low, high, n_days, customer.left is None)
    return wave * running


def _fall(generator: np.random.Generator, start: int, until: int, n_days: int, recovers: bool) -> np.ndarray:
    low = generator.uniform(*p.USAGE_FALLS_TO)
    falls = generator.uniform(*p.USAGE_FALLS_DAYS)
    offsets = np.arange(n_days)
    factor = np.clip(1 - (1 - low) * (offsets - start) / falls, low, 1)
    if recovers:
        factor = np.where(offsets > until, np.minimum(1, low + (1 - low) * (offsets - until) / falls), factor)
    return factor


def _member_days(
    generator: np.random.Generator, kind: str, factor: np.ndarray, weights: np.ndarray, low: int
) -> np.ndarray:
    """Return day, feature, events and minutes of a member's active days."""
    chance = 0.9 if kind == "bot" else p.USER_KINDS[kind][1]
    active = np.flatnonzero(generator.random(len(factor)) < chance * factor)
    taste = np.clip(weights * generator.uniform(0.4, 1.6, len(weights)), 0, 1)
    taste[0] = 1.0
    if kind == "bot":
        taste = np.array([0, 0, 0, 0, 1.0, 0])
    used = generator.random((len(active), len(weights))) < taste
    row, feature = np.nonzero(used)
    events = generator.geometric(0.004 if kind == "bot" else 0.18, len(row))
    events[feature == 0] = np.minimum(events[feature == 0], 4)
    minutes = np.minimum(MOST_MINUTES, np.round(events * generator.uniform(0.4, 3.2, len(row)), 1))
    return np.stack([low + active[row], feature, events, minutes])


def _with_ids(rows: np.ndarray, workspace: int, member: int, first_day: int) -> np.ndarray:
    rows[0] += first_day
    constant = np.ones(rows.shape[1])
    return np.vstack([constant * workspace, constant * member, rows])


def _timed(generator: np.random.Generator, rows: np.ndarray) -> Usage:
    n_rows = rows.shape[1]
    day_starts = (rows[2] * DAY).astype(np.int64)
    first = day_starts + generator.integers(7 * HOUR, 20 * HOUR, n_rows)
    final = day_starts + DAY_ENDS + generator.integers(5 * MINUTE, 50 * MINUTE, n_rows)
    late = np.less(generator.random(n_rows), p.SHARE_LATE_ROWS)
    first[late] = final[late] + generator.integers(p.LATE_DAYS[0] * DAY, p.LATE_DAYS[1] * DAY, int(late.sum()))
    final[late] = first[late]
    order = np.lexsort((rows[3], rows[1], first))
    whole_rows = rows[[0, 1, 2, 3, 4]].astype(np.int64)[:, order]
    events = whole_rows[4]
    partial = np.maximum(1, (events * generator.uniform(0.2, 0.9, n_rows)).astype(np.int64))
    return Usage(
        workspace=whole_rows[0],
        member=whole_rows[1],
        feature=whole_rows[3],
        day=whole_rows[2],
        partial=np.where(late[order], events, partial),
        events=events,
        minutes=rows[5][order],
        first_at=first[order],
        final_at=final[order],
    )


def seats(spaces: list[Workspace], span: Span) -> list[tuple[int, int, int, int]]:
    """Return workspace, day (since 1970), paid and activated seats for every day of the span."""
    rows = []
    n_days = (span.end - span.history).days
    first_day = millis(span.history) // DAY
    for space in spaces:
        if space.customer is None:
            continue
        paid, activated = np.zeros(n_days, dtype=np.int64), np.zeros(n_days, dtype=np.int64)
        for contract in space.customer.contracts:
            for term, after in zip(contract.terms, [*contract.terms[1:], None], strict=True):
                # The product stays on while a late renewal is being settled.
                end = after.start if after else term.end
                _add(paid, (term.start - span.history).days, (end - span.history).days, term.seats)
                if term.expands:
                    day, extra = term.expands
                    _add(paid, (day - span.history).days, (end - span.history).days, extra)
        for _, _, since, until in space.members:
            _add(activated, since // DAY - first_day, until // DAY - first_day, 1)
        activated = np.minimum(activated, paid + np.maximum(1, paid // 20))  # slightly more seats than paid for
        born = max(0, (day_of(space.record.at) - span.history).days)
        shown = np.flatnonzero(paid > 0)
        rows += [(space.record.id, first_day + int(d), int(paid[d]), int(activated[d])) for d in shown if d >= born]
    return rows


def _add(series: np.ndarray, low: int, high: int, amount: int) -> None:
    series[max(0, low) : max(0, high)] += amount
