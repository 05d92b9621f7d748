"""Determine how a CRM holds contracts: in fields of companies or deals, in lines, or in objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.operations.mapping_proposal.portal import Portal
from include.operations.mapping_proposal.terms import Term

_FEWEST, _SHARE = 5, 0.15


@dataclass(frozen=True)
class Storage:
    """One place where a CRM can keep contracts, and whether it does.

    Args:
        letter: C company, D deal, L line, K contract object.
        is_used: Whether the CRM uses it.
    """

    letter: str
    name: str
    is_used: bool
    evidence: str


def detect(portal: Portal, lines: Sequence[Term], deals: Sequence[Term], companies: Sequence[Term]) -> list[Storage]:
    """Return all places, including unused ones."""
    won = portal.won_deals()
    dated = {line.deal for line in lines if line.length() or line.period}
    with_lines = {deal.id for deal in won} & set(portal.lines_of())
    alone = len(won) - len(with_lines)
    priced = [term for term in companies if term.amount]
    customers = portal.customers()
    letter, name = ("K", portal.objects["contract_line"]) if portal.objects else ("L", "lines of won deals")
    places = [
        Storage(letter, name, _enough(len(dated), len(won)),
            f"{len(dated)} of {len(won)} won deals have lines with a billing period or a term"),
        Storage("D", "won deals", _enough(len(deals), len(won)),
            f"{len(deals)} of {alone} won deals without lines have an end or a length"),
        Storage("C", "fields of the company", _enough(len(priced), len(customers)),
            f"{len(priced)} of {len(customers)} customers have a renewal date with ARR or MRR"),
    ]  # fmt: skip
    for name, count in portal.contract_objects.items():
        known = "exists in the CRM" if count is None else f"{count:,} records"
        places.append(
            Storage("K", name, False, f"{known}; not read by this mapping: contracts are read from the other places")
        )
    return places


def _enough(n: int, of: int) -> bool:
    return n >= _FEWEST and n >= _SHARE * of
