"""The true agreements, whatever the CRM says: ARR by day, and which deal continued which term with which outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from include.sandbox.world.customers import Contract, Customer, Term
from include.sandbox.world.records import Record, day_of, millis

GRACE_DAYS, EARLY_DAYS = 30, 30
CENT = Decimal("0.01")


@dataclass(frozen=True)
class TermTruth:
    """A contract term as of a day.

    Args:
        account: The company that signed it.
        contract: Its true number.
        deals: The deals that created it.
        due: The day after its last one, as agreed; for a restarted term, the day of the upgrade.
        arr: ARR that ends, or will end, with it.
        outcomes: Acceptable outcomes of its renewal: both ``lost`` and ``open`` while nobody can tell.
        continued_by: The deals that created the following term.
        signed: The day on which it was committed.
        start: Its first day.
        has_deal: Whether it was signed, rather than renewed automatically.
    """

    account: Record
    contract: str
    deals: tuple[Record, ...]
    due: date
    arr: Decimal
    outcomes: frozenset[str]
    continued_by: tuple[Record, ...]
    signed: date
    start: date
    has_deal: bool


def arr_steps(customers: list[Customer], newest: date) -> dict[int, list[tuple[date, Decimal]]]:
    """Return company id -> days on which its ARR changed, with the new ARR, up to a day."""
    changes: dict[int, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for customer in customers:
        assert customer.company
        for contract in customer.contracts:
            for sold in contract.sold:
                account = sold.term.signed_by or customer.company
                until, rate = _counts_until(contract, sold.term), yearly(sold.yearly, sold.corrected, newest)
                if sold.from_day < until and sold.from_day <= newest:
                    changes[account.id][sold.from_day] += rate
                    changes[account.id][until] -= rate
    found = {}
    for account_id, days in changes.items():
        total, steps = Decimal(), []
        for day in sorted(day for day in days if day <= newest):
            total += days[day]
            steps.append((day, total.quantize(CENT)))
        found[account_id] = steps
    return found


def yearly(rate: Decimal, corrected: tuple[int, Decimal] | None, newest: date) -> Decimal:
    """Return a line's yearly amount as known on a day, in cents."""
    return (corrected[1] if corrected and corrected[0] < millis(newest + timedelta(days=1)) else rate).quantize(CENT)


def terms(customers: list[Customer], newest: date) -> list[TermTruth]:
    """Return all terms agreed by a day, as of that day."""
    return [
        each for customer in customers for contract in customer.contracts for each in _terms(customer, contract, newest)
    ]


def _counts_until(contract: Contract, term: Term) -> date:
    """Return the day on which a term's lines end. If it auto-renews, that is the end of its last term."""
    place = contract.terms.index(term)
    until = term.stops
    for following in contract.terms[place + 1 :]:
        if following.deal:
            break
        until = following.stops
    return until


def _terms(customer: Customer, contract: Contract, newest: date) -> Iterator[TermTruth]:
    assert customer.company
    signed: date | None = day_of(min(sold.line.at for sold in contract.sold if sold.term is contract.terms[0]))
    maker = contract.terms[0]
    for place, term in enumerate(contract.terms):
        if place:
            before = contract.terms[place - 1]
            signed = before.closes
            if not term.deal and (before.renewal != "auto" or not _is_auto_renewed(contract, before, newest)):
                return
        if signed is None or (term.deal and signed > newest):
            return
        maker = term if term.deal else maker
        after = term.joined or (contract.terms[place + 1] if place + 1 < len(contract.terms) else None)
        due = _due(term, newest)
        made = [deal for deal in (after.record, *after.others) if deal] if after and after.deal else []
        outcomes = _outcomes(contract, term, due, newest)
        yield TermTruth(
            term.signed_by or customer.company,
            contract.number,
            tuple(deal for deal in (maker.record, *maker.others) if deal),
            due,
            sum(
                (
                    yearly(s.yearly, s.corrected, newest)
                    for s in contract.sold
                    if s.term is maker and s.from_day <= newest
                ),
                Decimal(),
            ),
            outcomes,
            tuple(made) if outcomes.isdisjoint({"lost", "open"}) else (),
            signed,
            term.start,
            term.deal,
        )


def _is_auto_renewed(contract: Contract, term: Term, newest: date) -> bool:
    """Return whether it is too late to prevent an automatic renewal: by notice, or because the next term has begun."""
    return contract.decision(term) < newest or term.end <= newest


def _due(term: Term, newest: date) -> date:
    if term.renewal == "restarted" and term.replaced_from and term.closes and term.closes <= newest:
        return term.replaced_from
    return term.end if term.shortened is None or term.shortened[1] <= newest else term.shortened[0]


def _outcomes(contract: Contract, term: Term, due: date, newest: date) -> frozenset[str]:
    is_over = due + timedelta(days=GRACE_DAYS) <= newest
    closes = term.closes if term.closes and term.closes <= newest else None
    if term.renewal == "auto":
        return frozenset({"auto" if _is_auto_renewed(contract, term, newest) else "open"})
    if closes is None or term.renewal in ("lost", "open"):
        return frozenset({"lost"} if is_over else {"lost", "open"} if closes else {"open"})
    if term.renewal == "restarted":
        return frozenset({"restarted"})
    if closes < due - timedelta(days=EARLY_DAYS):
        return frozenset({"early"})
    if closes <= due:
        return frozenset({"on_time"})
    return frozenset({"in_grace" if closes <= due + timedelta(days=GRACE_DAYS) else "after_grace"})
