"""Judge replayed signals by the sandbox's hidden truth: why each customer left, and which only looked at risk.

A risk is real if, when its episode opened, the world had already planted a reason for it: a cause that makes customers
leave (whether or not this one left), or another trouble of the kind that the signal detects. A low score, a gap between
calls or a week of low usage that happened by chance is not real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from include.simulation.signals import Past, Replay

# Signal -> the cause that it names.
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
# Signal -> another trouble of the world that it detects.
DETECTS = {
    "invoice_overdue": "unpaid",
    "milestone_late": "behind",
    "key_user_silent": "person_gone",
    "data_missing": "unlinked",
}
LEAD_DAYS = 30
# A 28-day figure shows a symptom for this long after it has ended.
SYMPTOM_TAIL = timedelta(days=28)


@dataclass
class Judgement:
    """The result of judging a replay.

    Args:
        n_leavers: Foreseeable leavers: with a visible cause, whose symptom and decision fall within the replayed days.
        n_named: Leavers whose cause was named by a signal at least 30 days before the decision.
        per_cause: Cause -> leavers and named leavers.
        risks: Signal -> episodes: all, with a cause of leaving, with such a cause or a trouble that the signal detects
            (``real``), and with the very cause that it names.
        leads: Days from the first naming signal to the decision.
        missed: Account, cause and decision of leavers that no signal named in time.
    """

    n_leavers: int = 0
    n_named: int = 0
    per_cause: dict[str, Counter[str]] = field(default_factory=dict)
    risks: dict[str, Counter[str]] = field(default_factory=dict)
    leads: list[int] = field(default_factory=list)
    missed: list[tuple[str, str, date]] = field(default_factory=list)

    def share(self, what: str, signals: set[str] | None = None) -> float:
        """Return the share of risk episodes of a kind, over all signals or some."""
        chosen = [counts for name, counts in self.risks.items() if signals is None or name in signals]
        total = sum(counts["all"] for counts in chosen)
        return sum(counts[what] for counts in chosen) / total if total else float("nan")


def alerts_by_person_and_day(replay: Replay) -> list[int]:
    """Return the number of new alerts of each CSM on each working day, before any budget.

    Weekend alerts count on Monday, as in production. The first day is left out: every open episode is new on it.
    """
    found: Counter[tuple[str, date]] = Counter()
    for (person, day), number in replay.new_by_person_and_day().items():
        found[person, day + timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)] += number
    days = [replay.first + timedelta(days=number) for number in range(1, (replay.last - replay.first).days + 1)]
    return [found[person, day] for person in sorted(replay.accounts) for day in days if day.weekday() < 5]


def judge(replay: Replay, truth: Mapping[str, Mapping[str, Any]]) -> Judgement:
    """Compare a replay with the truth.

    Args:
        replay: Of signals alone, without the renewal ladder.
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
        # Foreseeable: the symptom begins within the replayed days, and so does the decision.
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
        shown = [cause for cause, start, until in facts["symptoms"] if start <= past.opened_on < until + SYMPTOM_TAIL]
        spoken = any(
            kind == DETECTS.get(past.signal)
            and start <= past.opened_on < until
            and about in ("", past.subject_id.partition(":")[2])
            for kind, start, until, about in facts["troubles"]
        )
        counts["all"] += 1
        counts["cause"] += bool(shown)
        counts["real"] += bool(shown) or spoken
        counts["named"] += NAMES.get(past.signal) in shown
    return result
