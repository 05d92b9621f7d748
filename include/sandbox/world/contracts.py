"""Plan how each customer's contracts go: terms, renewals, expansions and losses, without records."""

from __future__ import annotations

import random
from datetime import date, timedelta

from include.sandbox import parameters as p
from include.sandbox.world.customers import Contract, Customer, Span, Term
from include.sandbox.world.dates import add_months, between, pick, whole, working_day
from include.sandbox.world.events import Events

SEEN_BEYOND_DAYS = 400  # open renewals that are due up to this long after the world's end exist


def plan(rng: random.Random, customer: Customer, span: Span, events: Events | None = None) -> None:
    """Plan a customer's contracts over the whole span, including whether and when it leaves.

    Args:
        rng: The source of random draws.
        customer: The customer.
        span: The days of the world.
        events: Irregular contract events; None for contracts without any.
    """
    main = _contract(rng, customer, 0)
    _play(rng, customer, main, customer.signed, span, events=events)
    customer.contracts.append(main)
    _note_leaving(customer, main)
    share = p.SHARE_SECOND_CONTRACT if events is None else p.SHARE_SECOND_CONTRACT_FOUND
    if main.months == 12 and not main.auto and rng.random() < share:
        _plan_second(rng, customer, main, span, events)
    customer.periods = [(customer.signed, customer.left or date.max)]
    if customer.left and rng.random() < p.SHARE_COMES_BACK:
        _plan_return(rng, customer, span, events)


def _contract(rng: random.Random, customer: Customer, position: int) -> Contract:
    months = pick(rng, p.TERM_MONTHS) if position == 0 else 12
    auto = months == 1 or (months == 12 and rng.random() < p.SHARE_AUTO_RENEW)
    return Contract(
        number=f"C-{10_000 + 10 * customer.number + position}",
        months=months,
        notice_months=pick(rng, p.NOTICE_MONTHS) if months >= 6 else None,
        auto=auto,
        add_on=rng.random() < p.SHARE_ADD_ON,
        services=rng.random() < p.SHARE_SERVICES,
    )


def _first_term(rng: random.Random, customer: Customer, months: int, start: date, share: float = 1.0) -> Term:
    users = whole(rng, p.USERS[customer.tier])
    seats = max(2, round(users / between(rng, p.SEAT_USE) * share))
    price = 12 * round(between(rng, p.SEAT_PRICE[customer.tier]) / 12)
    discount = round(between(rng, p.DISCOUNT), 2) if rng.random() < p.SHARE_DISCOUNTED else 0.0
    return Term(start, add_months(start, months), seats, price, discount)


def _play(
    rng: random.Random,
    customer: Customer,
    contract: Contract,
    start: date,
    span: Span,
    share: float = 1.0,
    lost_from: date | None = None,
    events: Events | None = None,
) -> None:
    """Add terms until the contract is lost or its next renewal is too far ahead to exist."""
    term = _first_term(rng, customer, contract.months, start, share)
    if events:
        events.free_months(contract, term)
    leaves = p.LEAVES_PER_RENEWAL[customer.tier] * min(1.0, contract.months / 12)
    while True:
        contract.terms.append(term)
        if term.end > span.end + timedelta(days=SEEN_BEYOND_DAYS):
            return
        if rng.random() < leaves or (lost_from and term.end >= lost_from):
            if events:
                events.shorten(contract, term)
            term.renewal, term.closes = "lost", _lost_on(rng, contract, term)
            return
        term = _renew(rng, contract, term, events)


def _lost_on(rng: random.Random, contract: Contract, term: Term) -> date:
    decision = contract.decision(term)
    if contract.auto:
        # A contract that auto-renews only ends if notice is given in time.
        return decision - timedelta(days=whole(rng, (2, 9 if contract.months == 1 else 25)))
    return term.end + timedelta(days=whole(rng, (-45, 12)))


def _renew(rng: random.Random, contract: Contract, term: Term, events: Events | None) -> Term:
    if contract.auto:
        term.renewal, term.closes = "auto", contract.decision(term)
        # Counted from the start of the chain, so that a contract of the 31st does not become one of the 28th.
        n_terms = 1 + next(n for n, each in enumerate(reversed(contract.terms), 1) if each.deal)
        began = contract.terms[1 - n_terms].start
        end = add_months(began, n_terms * contract.months)
        return Term(term.end, end, term.seats, term.price, term.discount, False)
    _maybe_expand(rng, contract, term)
    if events and (following := events.upgrade(contract, term)):
        return following
    term.renewal = pick(rng, p.RENEWAL_KINDS)
    term.closes = working_day(term.end + timedelta(days=whole(rng, p.RENEWAL_CLOSES[term.renewal])))
    late = term.closes > term.end
    start = term.closes if late and rng.random() > p.SHARE_BACK_DATED_START else term.end
    change = -between(rng, (0.1, 0.3)) if rng.random() < p.SHARE_DOWNSELL else between(rng, p.SEATS_CHANGE)
    seats = max(2, round(term.seats_at_end * (1 + change)))
    price = max(12, 12 * round(term.price * (1 + between(rng, p.PRICE_CHANGE)) / 12))
    following = Term(start, add_months(start, contract.months), seats, price, term.discount)
    if events:
        events.renewal(contract, term, following)
    return following


def _maybe_expand(rng: random.Random, contract: Contract, term: Term) -> None:
    if contract.months < 12 or rng.random() > p.SHARE_EXPANDS:
        return
    days = (term.end - term.start).days
    day = working_day(term.start + timedelta(days=round(days * between(rng, (0.25, 0.75)))))
    term.expands = day, max(1, round(term.seats * between(rng, p.EXPANSION)))


def _note_leaving(customer: Customer, contract: Contract) -> None:
    last = contract.terms[-1]
    if last.renewal == "lost":
        customer.left = last.end
        customer.decided = contract.decision(last)


def _plan_second(rng: random.Random, customer: Customer, main: Contract, span: Span, events: Events | None) -> None:
    """Add a smaller contract, sometimes aligned with the main one at one of its renewals."""
    second = _contract(rng, customer, 1)
    second.auto = False
    start = add_months(main.terms[0].start, whole(rng, (3, 9)))
    if customer.left and start >= customer.left:
        return
    _play(rng, customer, second, start, span, share=0.4, lost_from=customer.left, events=events)
    customer.contracts.append(second)
    if events and events.consolidate(main, second):
        pass
    elif rng.random() < p.SHARE_CO_TERMED:
        _co_term(main, second)
    if customer.left:
        customer.left = max(customer.left, second.terms[-1].stops)


def _co_term(main: Contract, second: Contract) -> None:
    """Cut the second contract's term at the first renewal of the main one within it, and keep both aligned."""
    for before, term in zip(main.terms, main.terms[1:], strict=False):
        if before.closes is None or before.closes > term.start or term.is_upgrade or before.replaced_from:
            continue  # a late renewal aligns nothing
        for position, cut in enumerate(second.terms):
            if cut.start < term.start < cut.end and (cut.end - term.start).days > 45 and not cut.expands:
                cut.cut, cut.renewal, cut.closes, cut.replaced_from = term.start, "on_time", before.closes, None
                second.terms[position + 1 :] = [_in_step(cut, other) for other in main.terms[main.terms.index(term) :]]
                return


def _in_step(cut: Term, other: Term) -> Term:
    """Return a term of the second contract that is aligned with a term of the main one."""
    beside = Term(other.start, other.end, cut.seats, cut.price, cut.discount, True, other.renewal, other.closes)
    beside.replaced_from, beside.is_upgrade = other.replaced_from, other.is_upgrade
    beside.free_months, beside.shortened = other.free_months, other.shortened
    return beside


def _plan_return(rng: random.Random, customer: Customer, span: Span, events: Events | None) -> None:
    """Let a customer that left return on a new contract, without problems the second time."""
    start = customer.periods[0][1] + timedelta(days=whole(rng, (70, 260)))
    if start >= span.end:
        return
    back = _contract(rng, customer, 5)
    back.auto, back.months = False, 12
    _play(rng, customer, back, start, span, share=0.7, events=events)
    customer.contracts.append(back)
    last = back.terms[-1]
    customer.periods.append((start, last.end if last.renewal == "lost" else date.max))
