"""Roll up the scores of child accounts. The roll-up is shown next to the parent's own score and never mixed into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from include.common import formatting, texts
from include.common.texts import ngettext
from include.scores import rounding


@dataclass(frozen=True)
class Child:
    """A customer below an account, on a day.

    Args:
        score: The shown score; None if the account has no score or its band is unknown.
    """

    account_key: str
    arr: Decimal
    score: Decimal | None


@dataclass(frozen=True)
class Children:
    """All customers below an account.

    Args:
        score: Mean score weighted by ARR; None if no score is known.
        coverage: Share of their ARR that has a known score.
        worst: The child with the lowest score; None if no score is known.
    """

    n: int
    n_unknown: int
    score: Decimal | None
    coverage: float
    worst: Child | None

    @property
    def sentence(self) -> str:
        if self.score is None or self.worst is None:
            return ngettext("Its {n} child has no score.", "Its {n} children have no score.", self.n)
        sentence = ngettext(
            "Its {n} child: {score}, weighted by ARR, from {share} of their ARR; the lowest is {account} with {worst}.",
            "Its {n} children: {score}, weighted by ARR, from {share} of their ARR; the lowest is {account} with"
            " {worst}.",
            self.n,
            score=formatting.decimal(self.score, 2),
            share=formatting.percent(self.coverage),
            account=self.worst.account_key,
            worst=formatting.decimal(self.worst.score or 0, 2),
        )
        if not self.n_unknown:
            return sentence
        unknown = ngettext(
            "Unknown: {unknown} of {n} child.", "Unknown: {unknown} of {n} children.", self.n, unknown=self.n_unknown
        )
        return sentence + texts.space() + unknown


def roll_up(found: Sequence[Child]) -> Children | None:
    """Return the roll-up of an account's children; None if there are none."""
    if not found:
        return None
    known = [(child, child.score) for child in found if child.score is not None]
    total, arr = (sum((child.arr for child in some), Decimal(0)) for some in (found, [child for child, _ in known]))
    mean = float(sum((child.arr * score for child, score in known), Decimal(0)) / arr) if arr else None
    worst = min(known, key=lambda each: (each[1], each[0].account_key))[0] if known else None
    return Children(
        len(found),
        len(found) - len(known),
        None if mean is None else rounding.cents(mean),
        float(arr / total) if total else 0.0,
        worst,
    )


def read(connection: sa.Connection, account_key: str, day: date) -> Children | None:
    """Return the roll-up of all customers below an account on a day, at any depth; None if there are none."""
    rows = connection.execute(_BELOW, {"account_key": account_key, "day": day})
    return roll_up([Child(*row) for row in rows])


_BELOW = sa.text(
    "with recursive below as ("
    " select account_key from core.account_family where parent_key = :account_key"
    " union select f.account_key from core.account_family as f join below as b on f.parent_key = b.account_key)"
    " select b.account_key, coalesce(d.kept_arr, 0), case when h.band <> 'unknown' then h.shown end"
    " from below as b join marts.account_day as d on d.account_key = b.account_key and d.day = :day and d.is_customer"
    " left join marts.account_health as h on h.account_key = b.account_key and h.day = d.day"
    " order by b.account_key"
)
