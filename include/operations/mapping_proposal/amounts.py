"""Test what period an amount covers: the whole term, a billing period, a year or a month."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.operations.mapping_proposal.terms import Per, Term

# Two amounts that differ by at most this share are equal.
TOLERANCE = 0.011
_FEWEST = 5
# Most likely reading first; used where the sample cannot tell readings apart.
_ORDER: tuple[Per, ...] = ("term", "period", "year", "month")


@dataclass(frozen=True)
class Meaning:
    """The period that an amount covers.

    Args:
        per: The reading that fits best.
        is_sure: Whether all other readings fit clearly worse, or give the same amounts.
    """

    per: Per
    is_sure: bool
    evidence: str


def yearly(term: Term, per: Per) -> float | None:
    """Return the yearly amount of a term if its amount is per ``per``."""
    if term.amount is None:
        return None
    if per == "year":
        return term.amount
    if per == "month":
        return term.amount * 12
    months = term.period if per == "period" else term.length()
    return term.amount * 12 / months if months else None


def agree(one: float, other: float) -> bool:
    """Return whether two amounts are equal, except for rounding."""
    return abs(one - other) <= max(TOLERANCE * max(abs(one), abs(other)), 0.05)


def read_amounts(
    terms: Sequence[Term], crm_yearly: Mapping[str, float], deals: Mapping[str, float], usual: Per = "term"
) -> Meaning:
    """Return the period that the amounts cover.

    Args:
        terms: With their amounts.
        crm_yearly: Term's id -> the yearly amount by the CRM's own figures.
        deals: Deal -> its amount, to compare its lines with.
        usual: The vendor's documented meaning, used if nothing else decides.
    """
    priced = [term for term in terms if term.amount and term.amount > 0]
    readings = [per for per in _ORDER if per != "period" or any(term.period for term in priced)]
    differing = [term for term in priced if _differ(term, readings)]
    if len(differing) < max(3, 0.02 * len(priced)):
        same = usual if usual in readings else "term"
        if len(priced) < _FEWEST:
            return Meaning(same, False, f"only {len(priced)} amounts to test")
        return Meaning(same, True, _all_years(priced, readings))
    tests = (
        _against_crm_figures(differing, crm_yearly, readings),
        _against_deals(priced, deals, readings),
        _by_price(priced, readings),
    )
    return _judged([test for test in tests if test], usual if usual in readings else "term")


@dataclass(frozen=True)
class _Test:
    shares: dict[Per, float]
    n: int
    against: str


def _judged(tests: list[_Test], usual: Per) -> Meaning:
    left: list[Per] = list(_ORDER)
    texts: list[str] = []
    for test in tests:
        shares = {per: share for per, share in test.shares.items() if per in left}
        if not shares or max(shares.values()) < 0.6:
            continue
        most = max(shares.values())
        left = [per for per in left if shares.get(per, 0) >= most - 0.15]
        texts.append(
            f"{test.against} ({test.n}): " + ", ".join(f"{_in_words(per)} {share:.0%}" for per, share in shares.items())
        )
        if len(left) == 1:
            break
    evidence = "; ".join(texts) or "nothing in the sample shows which period the amount covers"
    best = usual if usual in left else left[0]
    return Meaning(best, len(left) == 1 and bool(texts), evidence)


def _in_words(per: Per) -> str:
    return "per billing period" if per == "period" else f"per {per}"


def _differ(term: Term, readings: Sequence[Per]) -> bool:
    """Return whether the readings that people confuse give different amounts."""
    found = [value for per in readings if per != "month" and (value := yearly(term, per)) is not None]
    return len(found) > 1 and any(not agree(found[0], other) for other in found[1:])


def _all_years(priced: Sequence[Term], readings: Sequence[Per]) -> str:
    months = sorted({round(length) for term in priced if (length := term.length())})
    if not months:
        return f"none of {len(priced)} has a length: amounts are taken as given"
    periods = " and are billed once a year" if "period" in readings else ""
    shown = ", ".join(map(str, months[:4]))
    return f"all {len(priced)} terms last {shown} months{periods}: per term and per year are the same"


def _against_crm_figures(
    differing: Sequence[Term], crm_yearly: Mapping[str, float], readings: Sequence[Per]
) -> _Test | None:
    pairs = [(term, crm_yearly[term.id]) for term in differing if crm_yearly.get(term.id)]
    if len(pairs) < _FEWEST:
        return None
    shares = {
        per: sum((value := yearly(term, per)) is not None and agree(value, year) for term, year in pairs) / len(pairs)
        for per in readings
    }
    return _Test(shares, len(pairs), "against the CRM's own yearly figures")


def _against_deals(priced: Sequence[Term], deals: Mapping[str, float], readings: Sequence[Per]) -> _Test | None:
    """Compare each deal's lines with its amount, which may be their whole, a year or a month of them."""
    by_deal: dict[str, list[Term]] = defaultdict(list)
    for term in priced:
        if term.deal in deals and term.length():
            by_deal[term.deal].append(term)
    # Only deals whose lines differ between readings are evidence.
    telling = {deal: lines for deal, lines in by_deal.items() if any(_differ(line, readings) for line in lines)}
    if len(telling) < _FEWEST:
        return None
    best: dict[Per, float] = {}
    for per in readings:
        for scale in ("whole", "year", "month"):
            hits = sum(_sums_up(lines, per, scale, deals[deal]) for deal, lines in telling.items())
            best[per] = max(best.get(per, 0.0), hits / len(telling))
    return _Test(best, len(telling), "lines against their deal's amount")


def _sums_up(lines: Sequence[Term], per: Per, scale: str, amount: float) -> bool:
    total = 0.0
    for line in lines:
        year, months = yearly(line, per), line.length()
        if year is None or not months:
            return False
        total += {"whole": year / 12 * months, "year": year, "month": year / 12}[scale]
    return agree(total, amount)


def _by_price(priced: Sequence[Term], readings: Sequence[Per]) -> _Test | None:
    """Compare prices of the same product over different term lengths. The right reading makes them equal."""
    groups: dict[str, list[Term]] = defaultdict(list)
    for term in priced:
        if term.length() and term.owner:
            groups[term.owner].append(term)
    spread: dict[Per, list[float]] = {per: [] for per in readings}
    n = 0
    for terms in groups.values():
        lengths = {(round(term.length() or 0), term.period) for term in terms}
        if len(lengths) < 2:
            continue
        n += 1
        for per in readings:
            prices = [value / term.quantity for term in terms if term.quantity and (value := yearly(term, per))]
            if len(prices) > 1:
                middle = statistics.median(prices)
                spread[per].append(statistics.fmean(min(abs(price / middle - 1), 2.0) for price in prices))
    means = {per: statistics.fmean(found) for per, found in spread.items() if found}
    # Month and year differ by a constant factor: prices cannot tell them apart.
    means.pop("month", None)
    if n < _FEWEST or len(means) < 2:
        return None
    least = min(means.values())
    ranked = sorted(means.values())
    if ranked[1] < 2 * least + 0.05:
        return None
    shares: dict[Per, float] = {per: 1.0 if value == least else 0.0 for per, value in means.items()}
    if "year" in shares:
        shares["month"] = shares["year"]
    return _Test(shares, n, "equal prices of the same customer and product over different lengths")
