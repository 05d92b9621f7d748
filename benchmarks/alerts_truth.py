"""Judges what signals would have done by the sandbox's hidden truth: why each customer left, and who only looked so.

A risk is real when the world itself had put something behind it by the day it opened: one of the causes for which its
customers leave, whether this one left or stayed, or another trouble of just the kind that the signal speaks of. A low
score, a gap between two calls or a week with less use that came of chance is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from include.simulation.signals import Past, Replay

# Which cause a signal names.
NAMES = {
    "usage_down": "low_adoption",
    "seats_unused": "low_adoption",
    "ticket_storm": "support_pain",
    "urgent_ticket_ageing": "support_pain",
    "bad_rating": "support_pain",
    "key_contact_left": "champion_left",
    "key_user_silent": "champion_left",
    "competitor_named": "competitor",
}
# Which other trouble of the world a signal speaks of.
SPEAKS_OF = {
    "invoice_overdue": "unpaid",
    "milestone_late": "behind",
    "key_user_silent": "person_gone",
    "data_missing": "unlinked",
}
LEAD_DAYS = 30
# A figure over 28 days shows a symptom for as long after it has passed.
AFTERGLOW = timedelta(days=28)


@dataclass
class Judgement:
    """What a replay was worth.

    Args:
        n_leavers: Leavers with a visible cause who decided within the days, late enough to be foreseen.
        n_named: Of them, those of whom a signal named the cause at least 30 days before the decision.
        per_cause: Cause -> leavers and named.
        risks: Signal -> episodes: all, with a cause of leaving, with that or a trouble that it speaks of (``real``),
            with the very cause that it names.
        leads: Days from the first naming signal to the decision.
        days: New alerts of one person on one day -> how often.
    """

    n_leavers: int = 0
    n_named: int = 0
    per_cause: dict[str, Counter[str]] = field(default_factory=dict)
    risks: dict[str, Counter[str]] = field(default_factory=dict)
    leads: list[int] = field(default_factory=list)
    missed: list[tuple[str, str, date]] = field(default_factory=list)

    def share(self, what: str, signals: set[str] | None = None) -> float:
        """Return the share of risk episodes that were real, of all signals or some."""
        chosen = [counts for name, counts in self.risks.items() if signals is None or name in signals]
        total = sum(counts["all"] for counts in chosen)
        return sum(counts[what] for counts in chosen) / total if total else float("nan")


def alerts_by_person_and_day(replay: Replay) -> list[int]:
    """Return how many new alerts each manager has on each working day, before any budget.

    What opens on a weekend comes on Monday, as in service. The first day tells nothing and is left out.
    """
    found: Counter[tuple[str, date]] = Counter()
    for (person, day), number in replay.new_by_person_and_day().items():
        found[person, day + timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)] += number
    days = [replay.first + timedelta(days=number) for number in range(1, (replay.last - replay.first).days + 1)]
    return [found[person, day] for person in sorted(replay.accounts) for day in days if day.weekday() < 5]


def judge(replay: Replay, truth: Mapping[str, Mapping[str, Any]]) -> Judgement:
    """Compare a replay with the truth.

    Args:
        replay: Of signals alone: the ladder is not in it.
        truth: Account id -> cause, decision, symptoms.
    """
    result = Judgement()
    nothing: Mapping[str, Any] = {"symptoms": (), "troubles": ()}
    by_account: dict[str, list[Past]] = {}
    for past in replay.episodes:
        by_account.setdefault(past.account_key.partition(":")[2], []).append(past)
    for account, facts in truth.items():
        if facts["cause"] in (None, "silent") or not facts["decided"]:
            continue
        limit = facts["decided"] - timedelta(days=LEAD_DAYS)
        start = next((begin for cause, begin, _ in facts["symptoms"] if cause == facts["cause"]), None)
        # Foreseeable at all: the symptom shows, begins within the days, and its decision lies within them.
        if start is None or not (replay.first <= start and facts["decided"] <= replay.last):
            continue
        counts = result.per_cause.setdefault(facts["cause"], Counter())
        counts["leavers"] += 1
        result.n_leavers += 1
        named = [
            past.opened_on
            for past in by_account.get(account, ())
            if NAMES.get(past.signal) == facts["cause"]
            and past.opened_on <= limit
            and (past.closed_on or date.max) > start
        ]
        if named:
            counts["named"] += 1
            result.n_named += 1
            result.leads.append((facts["decided"] - max(start, min(named))).days)
        else:
            result.missed.append((account, facts["cause"], facts["decided"]))
    for past in replay.notified:
        if past.kind != "risk":
            continue
        counts = result.risks.setdefault(past.signal, Counter())
        facts = truth.get(past.account_key.partition(":")[2], nothing)
        shown = [cause for cause, start, until in facts["symptoms"] if start <= past.opened_on < until + AFTERGLOW]
        spoken = any(
            kind == SPEAKS_OF.get(past.signal)
            and start <= past.opened_on < until
            and about in ("", past.subject_id.partition(":")[2])
            for kind, start, until, about in facts["troubles"]
        )
        counts["all"] += 1
        counts["cause"] += bool(shown)
        counts["real"] += bool(shown) or spoken
        counts["named"] += NAMES.get(past.signal) in shown
    return result
