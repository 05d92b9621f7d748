"""Irregular contract events: early starts, upgrades, free months, cuts, consolidations."""

from __future__ import annotations

import random
from datetime import timedelta

from include.sandbox import parameters as p
from include.sandbox.world.customers import Contract, Term
from include.sandbox.world.dates import add_months, between, whole, working_day


class Events:
    """Draws and plans the irregular events of a contract's terms.

    Args:
        rng: The source of random draws.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def _happens(self, name: str) -> bool:
        return self._rng.random() < p.EVENTS[name]

    def free_months(self, contract: Contract, term: Term) -> None:
        """Add some free months to the end of a new term."""
        if contract.months >= 12 and not contract.auto and self._happens("free_months"):
            term.free_months = whole(self._rng, (1, 3))
            term.end = add_months(term.start, contract.months + term.free_months)

    def renewal(self, contract: Contract, before: Term, term: Term) -> None:
        """Let a renewal start before the old term ends, repeat the old terms, or bring free months."""
        if before.closes and before.renewal == "early" and self._happens("starts_early"):
            start = before.closes + timedelta(days=whole(self._rng, (1, 14)))
            if start < before.end - timedelta(days=10):
                before.replaced_from = start
                term.start, term.end = start, add_months(start, contract.months)
        if self._happens("same_as_before"):
            term.seats, term.price = before.seats_at_end, before.price
        self.free_months(contract, term)

    def upgrade(self, contract: Contract, term: Term) -> Term | None:
        """Turn an expansion in mid-term into a new term from that day on, or into a reduction.

        Returns:
            The new term, if there is one.
        """
        if term.expands is None:
            return None
        day, seats = term.expands
        if self._happens("reduced"):
            term.expands = day, -max(1, round(term.seats * between(self._rng, (0.05, 0.2))))
            return None
        if not self._happens("restarted"):
            return None
        term.expands, term.replaced_from, term.renewal = None, day, "restarted"
        term.closes = min(working_day(day - timedelta(days=whole(self._rng, (3, 8)))), day)
        following = Term(day, add_months(day, contract.months), term.seats + seats, term.price, term.discount)
        following.is_upgrade = True
        return following

    def shorten(self, contract: Contract, term: Term) -> None:
        """End a term that will be lost some months early."""
        if contract.auto or contract.months < 12 or term.free_months or not self._happens("shortened"):
            return
        agreed, end = term.end, add_months(term.end, -whole(self._rng, (1, 4)))
        term.shortened, term.end = (agreed, end - timedelta(days=whole(self._rng, (10, 60)))), end

    def consolidate(self, main: Contract, second: Contract) -> bool:
        """Renew two contracts as one, at a renewal of the first that falls within a term of the second.

        Returns:
            Whether there was such a renewal.
        """
        if not self._happens("consolidated"):
            return False
        for before, term in zip(main.terms, main.terms[1:], strict=False):
            if before.closes is None or before.closes > term.start or term.is_upgrade or before.replaced_from:
                continue
            for position, old in enumerate(second.terms):
                if old.start < term.start < old.end and not old.expands and old.free_months == 0 and not old.shortened:
                    old.cut, old.renewal, old.closes, old.joined = term.start, "consolidated", before.closes, term
                    old.replaced_from = None
                    del second.terms[position + 1 :]
                    for later in main.terms[main.terms.index(term) :]:
                        later.seats += max(1, round(old.seats * old.price / later.price))
                    return True
        return False
