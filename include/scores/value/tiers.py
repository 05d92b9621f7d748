"""Decide which accounts should change tier, judged at a quarter end and within the capacity of the senior CSMs.

A change is only a proposal. A lead approves it, and then it is written to the CRM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from include.common import quarters
from include.models.value import Tier, Version

# first: the account has no tier yet; waiting: no place is free; protected: a demotion that must not happen now.
Kind = Literal["up", "down", "first", "waiting", "protected"]
CHANGES = ("up", "down", "first")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Judged:
    """A score at a month end, reduced to what a tier decision needs.

    Args:
        score: None if too little is known.
        is_preliminary: Whether the account is so new that only its order amount counts.
    """

    score: Decimal | None = None
    is_preliminary: bool = False
    kept_arr: Decimal = Decimal(0)


@dataclass(frozen=True)
class Candidate:
    """The inputs of one account's tier decision.

    Args:
        tier: Its current tier; None without one.
        now: Its score at the quarter end that is judged.
        before: Its score at the quarter end before that.
        newest: Its score at the last month end; used for an account without a tier.
        signed_on: When its last contract was signed.
        next_decision_date: The customer's next decision date.
        playbooks: Running playbooks that belong to its tier.
    """

    account_key: str
    name: str
    tier: str | None
    now: Judged = Judged()
    before: Judged = Judged()
    newest: Judged = Judged()
    signed_on: date | None = None
    next_decision_date: date | None = None
    playbooks: tuple[str, ...] = ()
    crm_source: str = ""
    crm_account_id: str = ""


@dataclass(frozen=True)
class Proposal:
    """One proposed, waiting or protected change.

    Args:
        to_tier: The tier that the score qualifies for.
        score: The score behind it.
        reason: Why, in words.
    """

    candidate: Candidate
    kind: Kind
    to_tier: str
    score: Decimal
    reason: str

    @property
    def is_change(self) -> bool:
        """Whether it needs a lead's approval."""
        return self.kind in CHANGES


def judge(
    version: Version, candidates: Iterable[Candidate], quarter: date, today: date, places: int | None
) -> list[Proposal]:
    """Return proposed, waiting and protected changes, highest score first.

    Args:
        version: The definition in force at the quarter end.
        candidates: All customers.
        quarter: The quarter end that is judged.
        today: Decision dates are counted from this day.
        places: Capacity of the tiers with limited places, in accounts; None for no limit.
    """
    judge_one = _Judge(version, quarter, today)
    found: list[Proposal] = []
    promotions: list[tuple[Candidate, Decimal, list[tuple[Tier, str]]]] = []
    n_taken = 0
    for candidate in candidates:
        at = judge_one.index_of(candidate.tier)
        down = judge_one.down(candidate, at) if at is not None else None
        if down:
            found.append(down)
        if at is not None and version.tiers[at].has_places and not (down and down.kind == "down"):
            n_taken += 1
        if promotion := judge_one.promotion(candidate, at):
            promotions.append(promotion)
    free = None if places is None else places - n_taken
    promotions.sort(key=lambda promotion: (-promotion[1], -promotion[0].newest.kept_arr, promotion[0].account_key))
    for candidate, score, tiers in promotions:
        for tier, reason in tiers:
            if tier.has_places and free is not None and free <= 0:
                found.append(
                    Proposal(candidate, "waiting", tier.name, score, f"{reason}; all {places} places are taken")
                )
                continue
            if tier.has_places and free is not None:
                free -= 1
            found.append(Proposal(candidate, "up" if candidate.tier else "first", tier.name, score, reason))
            break
    return sorted(found, key=lambda each: (-each.score, each.candidate.account_key, each.kind))


class _Judge:
    def __init__(self, version: Version, quarter: date, today: date) -> None:
        self._tiers, self._moves = version.tiers, version.moves
        self._quarter, self._today = quarter, today

    def index_of(self, name: str | None) -> int | None:
        return next((at for at, tier in enumerate(self._tiers) if tier.name == name), None)

    def down(self, candidate: Candidate, at: int) -> Proposal | None:
        """Return an account's demotion, protected if it must not happen now; None if it keeps its tier."""
        now, before = _final_scores(candidate)
        if now is None or before is None:
            return None
        to = at
        while to < len(self._tiers) - 1 and max(now, before) < self._tiers[to].edge - self._moves.fall_by:
            to += 1
        if to == at:
            return None
        edge = self._tiers[at].edge
        reason = f"{before} and {now} at two quarter ends, more than {self._moves.fall_by:g} below {edge:g}"
        decides = candidate.next_decision_date
        if decides and self._today <= decides <= self._today + timedelta(days=self._moves.protect_days):
            return Proposal(
                candidate, "protected", self._tiers[to].name, now, f"{reason}; its renewal decision is on {decides}"
            )
        if candidate.playbooks:
            runs = ", ".join(candidate.playbooks)
            return Proposal(candidate, "protected", self._tiers[to].name, now, f"{reason}; running playbooks: {runs}")
        return Proposal(candidate, "down", self._tiers[to].name, now, reason)

    def promotion(
        self, candidate: Candidate, at: int | None
    ) -> tuple[Candidate, Decimal, list[tuple[Tier, str]]] | None:
        """Return the higher tiers that an account qualifies for, highest first."""
        if at is None:
            score = candidate.newest.score
            if candidate.tier or score is None:  # leave a tier that the definition does not know alone
                return None
            mark = ", preliminary: based on its order amount only" if candidate.newest.is_preliminary else ""
            fitting = [(tier, f"{score}{mark}") for tier in self._tiers if score >= tier.edge]
            return candidate, score, fitting
        now, before = _final_scores(candidate)
        if now is None:
            return None
        tiers = [(tier, reason) for tier in self._tiers[:at] if (reason := self._up(candidate, tier.edge, now, before))]
        return (candidate, now, tiers) if tiers else None

    def _up(self, candidate: Candidate, edge: float, now: Decimal, before: Decimal | None) -> str:
        if before is not None and min(now, before) >= edge + self._moves.rise_by:
            return f"{before} and {now} at two quarter ends, at least {self._moves.rise_by:g} above {edge:g}"
        at_once = edge + self._moves.at_once_by
        signed = candidate.signed_on
        has_signed = signed is not None and quarters.last_ended(self._quarter - DAY) < signed <= self._quarter
        is_lifted = candidate.now.kept_arr > candidate.before.kept_arr and (before is None or before < at_once)
        if now >= at_once and has_signed and is_lifted:
            return f"{now} by the contract signed on {signed}, at least {self._moves.at_once_by:g} above {edge:g}"
        return ""


def _final_scores(candidate: Candidate) -> tuple[Decimal | None, Decimal | None]:
    """Return the scores at the two quarter ends. A preliminary score is ignored."""
    return tuple(None if each.is_preliminary else each.score for each in (candidate.now, candidate.before))  # type: ignore[return-value]


def total_places(places: Sequence[int]) -> int | None:
    """Return the total number of places; None if none are configured."""
    return sum(places) if places else None
