"""The discount ladder: who must approve an offer. Pure arithmetic on a list price and ``discounts.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from include.config.discounts import Discounts, Rung, Trade

# The least senior role that may grant it. refused: nobody may.
Level = Literal["none", "csm", "lead", "head", "refused"]
LEVELS: tuple[Level, ...] = ("none", "csm", "lead", "head", "refused")
# Offers are rounded to cents, so shares of large amounts need no more places.
_PLACES = 9
# A won price may be this much below the approved one, as a share: rounding, seats added later.
TOLERANCE = 0.005


@dataclass(frozen=True)
class Check:
    """An offer on a renewal, checked against the ladder.

    Args:
        depth: Discount from the list price, as a share.
        credited: The same, less the credit for the term.
        reason: Why nobody may grant it: ``below_floor`` or ``above_head``; "" if somebody may.
        needs_trade: Whether the customer must give something in return.
    """

    depth: float
    credited: float
    level: Level
    row: Rung
    reason: Literal["", "below_floor", "above_head"] = ""
    needs_trade: bool = False


def check(
    ladder: Discounts,
    list_price: float,
    offer: float,
    months: int | None = None,
    *,
    tier: str | None,
    band: str | None,
    days: int | None,
) -> Check:
    """Check an offer.

    Args:
        list_price: Annual list price; positive.
        offer: Annual price.
        months: Term of the new contract.
        days: Days until the decision.
    """
    row = ladder.row(tier, band, days)
    depth = round(1 - offer / list_price, _PLACES)
    credited = max(0.0, round(depth - ladder.credit(months), _PLACES))
    if offer < round(row.floor * list_price, _PLACES):
        return Check(depth, credited, "refused", row, "below_floor")
    if not credited:
        return Check(depth, credited, "none", row)
    hands: tuple[tuple[Level, float], ...] = (("csm", row.csm), ("lead", row.lead), ("head", row.head))
    level: Level = next((name for name, hand in hands if credited <= hand), "refused")
    reason: Literal["", "above_head"] = "above_head" if level == "refused" else ""
    return Check(depth, credited, level, row, reason, level in ("lead", "head") and bool(row.trades))


def may_grant(role: str, level: Level) -> bool:
    """Return whether a role grants a level alone."""
    return role in LEVELS and level != "refused" and LEVELS.index(role) >= LEVELS.index(level)


def missing_trade(found: Check, trades: Iterable[Trade]) -> bool:
    """Return whether an offer lacks what the customer must give in return."""
    return found.needs_trade and not set(found.row.trades) & set(trades)


def unapproved(ladder: Discounts, closed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return renewals that were won deeper than a CSM grants alone, and deeper than approved.

    The row of the ladder is the one of the account's tier and band; of several by days, the first.

    Args:
        closed: Rows of ``marts.renewal_discount``.
    """
    found = []
    for row in closed:
        hand = ladder.row(row["tier"], row["band"]).csm
        credited = max(0.0, float(row["depth"]) - ladder.credit(row["term_months"]))
        allowed = row["approved_arr"]
        is_within = allowed is not None and float(row["renewed_arr"]) >= float(allowed) * (1 - TOLERANCE)
        if credited > hand + TOLERANCE and not is_within:
            found.append({**row, "credited": round(credited, _PLACES), "allowed": hand})
    return found
