"""Measure how well signals and playbooks predicted churn: precision, recall and lead time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

import sqlalchemy as sa

HORIZON_DAYS = 200
PLAIN_RULE_DAYS = 90


@dataclass(frozen=True)
class Renewal:
    account_key: str
    decision: date
    outcome: str
    arr: float

    @property
    def is_lost(self) -> bool:
        return self.outcome == "lost"


@dataclass
class Precision:
    """How many of the accounts flagged by a rule churned afterwards.

    Args:
        name: The signal or playbook.
        n_touched: Renewals whose account was flagged beforehand.
        n_lost: Flagged renewals that were lost.
        n_decisions: All settled renewals.
        n_all_lost: All lost renewals.
        leads: Days from the first flag to the decision, one per lost renewal.
    """

    name: str
    n_touched: int = 0
    n_lost: int = 0
    n_decisions: int = 0
    n_all_lost: int = 0
    leads: list[int] = field(default_factory=list)

    @property
    def precision(self) -> float | None:
        """Share of the flagged renewals that were lost."""
        return self.n_lost / self.n_touched if self.n_touched else None

    @property
    def recall(self) -> float | None:
        """Share of the lost renewals that were flagged beforehand."""
        return self.n_lost / self.n_all_lost if self.n_all_lost else None

    @property
    def base(self) -> float | None:
        """Loss rate over all settled renewals."""
        return self.n_all_lost / self.n_decisions if self.n_decisions else None

    @property
    def lead(self) -> float | None:
        """Median days from the first flag to the decision."""
        return median(self.leads) if self.leads else None


def measure(
    name: str, touched: Mapping[str, Iterable[date]], settled: Sequence[Renewal], horizon: int = HORIZON_DAYS
) -> Precision:
    """Compare a rule's flags with the outcome of the renewals that followed.

    Args:
        name: The signal or playbook.
        touched: Account -> days on which the rule flagged it.
        settled: Settled renewals, all decided late enough for the rule to have flagged them.
        horizon: A flag counts only if it precedes the decision by at most this many days.
    """
    found = Precision(name, n_decisions=len(settled), n_all_lost=sum(one.is_lost for one in settled))
    for one in settled:
        first = one.decision - timedelta(days=horizon)
        before = [on for on in touched.get(one.account_key, ()) if first <= on < one.decision]
        if before:
            found.n_touched += 1
            found.n_lost += one.is_lost
            found.leads += [(one.decision - min(before)).days] * one.is_lost
    return found


def decisions(connection: sa.Connection, first: date, last: date) -> list[Renewal]:
    """Return settled renewals decided between two days, both included. Terms shorter than 90 days are left out."""
    rows = connection.execute(_DECISIONS, {"first": first, "last": last})
    return [Renewal(row[0], row[1], row[2], float(row[3] or 0)) for row in rows]


def of_history(connection: sa.Connection, last: date) -> list[Precision]:
    """Measure every risk signal and playbook on the episodes it opened, excluding silent ones.

    A rule is judged only on decisions made at least 90 days after it first opened an episode. It could not have flagged
    earlier ones.

    Args:
        connection: An open connection of the reader.
        last: The newest day with figures.
    """
    opened: dict[str, dict[str, list[date]]] = {}
    for rule, account_key, on in connection.execute(_OPENED):
        opened.setdefault(rule, {}).setdefault(account_key, []).append(on)
    from_day = {
        rule: min(min(days) for days in touched.values()) + timedelta(days=PLAIN_RULE_DAYS)
        for rule, touched in opened.items()
    }
    settled = decisions(connection, min(from_day.values()), last) if opened else []
    found = [
        measure(rule, touched, [one for one in settled if one.decision >= from_day[rule]])
        for rule, touched in opened.items()
    ]
    return sorted(found, key=lambda one: (-(one.precision or 0), one.name))


_DECISIONS = sa.text(
    "select account_key, decision_date, outcome, target_arr from core.renewal where is_in_rate"
    " and outcome <> 'open' and decision_date between :first and :last and due_date - term_start >= 90"
    " order by decision_date, renewal_id"
)
_OPENED = sa.text(
    "select signal, account_key, opened_on from ops.episode where notified_as <> 'silent' order by signal, opened_on"
)
