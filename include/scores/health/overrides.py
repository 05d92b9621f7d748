"""Judge overrides once the renewal is settled: was the lead right, or the score?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from include.warehouse.engine import has_table

Right = Literal["person", "score", "same band", "open"]
_RANK = {"red": 0, "yellow": 1, "green": 2}


@dataclass(frozen=True)
class JudgedOverride:
    """One override and its outcome.

    Args:
        score: The lead's score; None if only the band was set.
        computed: The computed score on the first day.
        band, computed_band: The bands of the two.
        decision_date: Of the next renewal to be decided; None if there is none yet.
        outcome: Of that renewal; "" while it is open.
        right: Whose band was right: the better band if the account renewed, the worse one if it was lost.
    """

    account_key: str
    from_day: date
    until: date
    given_by: str
    reason: str
    score: Decimal | None
    computed: Decimal | None
    band: str
    computed_band: str
    decision_date: date | None
    outcome: str
    right: Right


def judge(band: str, computed_band: str, is_lost: bool | None) -> Right:
    """Return whose band was right.

    Args:
        is_lost: Whether the renewal was lost; None while it is open.
    """
    if is_lost is None:
        return "open"
    person, score = _RANK.get(band), _RANK.get(computed_band)
    if person is None or score is None or person == score:
        return "same band" if person == score else "open"
    return "person" if (person < score) == is_lost else "score"


def read(connection: sa.Connection, accounts: list[str] | None = None) -> list[JudgedOverride]:
    """Return the overrides of some accounts, or of all, with who was right, newest first."""
    if not has_table(connection, "marts.renewal_due"):
        return []
    found = []
    for row in connection.execute(_OVERRIDES, {"accounts": accounts}).mappings():
        is_lost = row["part"] == "lost" if row["part"] not in (None, "open") else None
        right = judge(row["band"], row["computed_band"] or "", is_lost)
        kept: dict[str, Any] = {name: value for name, value in row.items() if name != "part"}
        found.append(JudgedOverride(**kept, outcome=row["part"] if is_lost is not None else "", right=right))
    return found


def summary(found: Sequence[JudgedOverride]) -> str:
    """Summarise in words how often the lead was right and how often the score."""
    counts = Counter(one.right for one in found)
    n_judged = counts["person"] + counts["score"]
    if not n_judged:
        return f"No override is judged yet; {counts['open']} await their renewal."
    lead = (
        f"Of {n_judged} judged overrides, the person was right in {counts['person']}, the score in {counts['score']}."
    )
    return f"{lead} {counts['same band']} did not change the band; {counts['open']} await their renewal."


_OVERRIDES = sa.text(
    "select o.account_key, o.from_day, o.until, o.given_by, o.reason, o.score, h.computed,"
    " h.last_band as computed_band,"
    " case when o.band is not null then o.band when o.score >= h.green_from then 'green'"
    " when o.score >= h.yellow_from then 'yellow' else 'red' end"
    " as band,"
    " r.decision_date, r.part"
    " from meta.health_override as o"
    " left join lateral (select s.computed, s.green_from, s.yellow_from, a.last_band from marts.health_score as s"
    "   join marts.account_health as a on a.account_key = s.account_key and a.day = s.day"
    "   where s.account_key = o.account_key and s.day <= o.from_day order by s.day desc limit 1) as h on true"
    " left join lateral (select d.decision_date, d.part from marts.renewal_due as d"
    "   where d.account_key = o.account_key and d.decision_date >= o.from_day"
    "   order by d.decision_date, d.target_arr desc limit 1) as r on true"
    " where o.known_to is null"
    " and (cast(:accounts as text[]) is null or o.account_key = any(cast(:accounts as text[])))"
    " order by o.from_day desc, o.account_key"
)
