"""What a playbook would have done on days that are over, against writing to everyone at 90 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from statistics import median

import sqlalchemy as sa

from include.decide.playbooks.schema import Playbook
from include.decide.rules.evaluate import Hit, evaluate
from include.decide.rules.load import Rule
from include.simulation.history import History
from include.simulation.signals import Past

PLAIN_RULE_DAYS = 90
RENEWED = ("early", "on_time", "in_grace", "after_grace", "auto")


@dataclass(frozen=True)
class Touch:
    """Somebody for whom something would have started.

    Args:
        owner: Name of its CSM on that day.
        arm: ``acted``, or ``held_out``.
    """

    on: date
    account_key: str
    account_name: str
    owner: str
    cause: str
    arr: float
    arm: str = "acted"


@dataclass(frozen=True)
class Renewal:
    """A decision that is over, and how it went."""

    account_key: str
    decision: date
    outcome: str
    arr: float

    @property
    def is_lost(self) -> bool:
        """Whether the customer left."""
        return self.outcome == "lost"


@dataclass
class Score:
    """How well the touched were those who left.

    Args:
        n_touched: Decisions before which the account was touched.
        n_lost: Of these, the lost ones.
        leads: Days from the first touch to the decision, of the lost ones.
        per_week: Manager and week -> touches.
    """

    name: str
    n_touched: int = 0
    n_lost: int = 0
    n_decisions: int = 0
    n_all_lost: int = 0
    leads: list[int] = field(default_factory=list)
    per_week: Counter[tuple[str, date]] = field(default_factory=Counter)

    @property
    def precision(self) -> float | None:
        """Share of the touched that left."""
        return self.n_lost / self.n_touched if self.n_touched else None

    @property
    def recall(self) -> float | None:
        """Share of those who left that were touched before."""
        return self.n_lost / self.n_all_lost if self.n_all_lost else None

    @property
    def lead(self) -> float | None:
        """Median days from the first touch to the decision."""
        return median(self.leads) if self.leads else None

    @property
    def busiest_week(self) -> int:
        """The most touches that one CSM had in a week."""
        return max(self.per_week.values(), default=0)


def replay(history: History, rule: Rule[Playbook], episodes: Sequence[Past]) -> list[Touch]:
    """Return for whom a playbook would have started, and when.

    Args:
        history: The days, with the table that the playbook is about.
        rule: The playbook, whatever its status.
        episodes: What the signals that it rests on would have done.
    """
    placed = replace(rule, table=history.table(rule.about))
    playbook, touches = rule.file, []
    started: dict[str, str] = {}
    running: dict[str, date] = {}
    for day in history.days:
        opened = [past for past in episodes if past.opened_on <= day and not (past.closed_on and past.closed_on <= day)]
        at_risk = {past.account_key for past in opened}
        holds = {past.subject_id: f"{past.signal} of {past.opened_on}" for past in opened if not past.is_silent}
        ids = [*holds, *running] if playbook.trigger.signals else list(running)
        hits = {hit.subject_id: hit for hit in evaluate(history.connection, day, placed, ids)}
        for entity_id in list(running):
            found = hits.get(entity_id)
            rests = entity_id in holds
            if playbook.trigger.at_risk:
                rests = found is not None and found.values["account_key"] in at_risk
            if _is_over(playbook, found, day, running[entity_id], rests):
                del running[entity_id]
        for entity_id, hit in hits.items():
            values = hit.values
            if playbook.trigger.at_risk and values["account_key"] not in at_risk:
                continue
            cause = holds.get(entity_id, "") if playbook.trigger.signals else f"{playbook.trigger.rung} days"
            is_repeated = bool(playbook.trigger.when) or playbook.trigger.at_risk
            is_new = entity_id not in started or is_repeated or started[entity_id] != cause
            if entity_id in running or not (hit.opens and cause and is_new) or hit.closes:
                continue
            if playbook.audience.outside(values):
                continue
            started[entity_id], running[entity_id] = cause, day
            if day == history.first and playbook.first_scan == "silent":
                continue
            touches.append(
                Touch(
                    day,
                    str(values["account_key"]),
                    str(values["account_name"]),
                    str(values["owner_name"] or "nobody"),
                    cause,
                    float(values.get("target_arr") or values.get("arr") or 0),
                    "held_out" if playbook.holds_out(str(values["account_key"])) else "acted",
                )
            )
    return touches


def _is_over(playbook: Playbook, hit: Hit | None, day: date, since: date, is_signal_open: bool) -> bool:
    after = playbook.exit.after_days
    if hit is None or hit.closes or (after is not None and day >= since + timedelta(days=after)):
        return True
    return bool(playbook.trigger.signals or playbook.trigger.at_risk) and not is_signal_open


def decisions(connection: sa.Connection, first: date, last: date) -> list[Renewal]:
    """Return the decisions of a stretch of days whose outcome is known."""
    rows = connection.execute(
        sa.text(
            "select account_key, decision_date, outcome, target_arr from core.renewal where is_in_rate"
            " and outcome <> 'open' and decision_date between :first and :last and due_date - term_start >= 90"
            " order by decision_date, renewal_id"
        ),
        {"first": first, "last": last},
    )
    return [Renewal(row[0], row[1], row[2], float(row[3] or 0)) for row in rows]


def score(name: str, touches: Sequence[Touch], settled: Sequence[Renewal], horizon: int = 200) -> Score:
    """Compare touches with what became of the accounts.

    Args:
        touches: Who was touched, and when.
        settled: The decisions, all of which lie so far behind the first day that they could have been foreseen.
        horizon: A touch counts for a decision at most so many days after it.
    """
    result = Score(name, n_decisions=len(settled), n_all_lost=sum(one.is_lost for one in settled))
    by_account: dict[str, list[date]] = {}
    for touch in touches:
        by_account.setdefault(touch.account_key, []).append(touch.on)
        result.per_week[touch.owner, touch.on - timedelta(days=touch.on.weekday())] += 1
    for one in settled:
        before = [
            on
            for on in by_account.get(one.account_key, ())
            if one.decision - timedelta(days=horizon) <= on < one.decision
        ]
        if before:
            result.n_touched += 1
            result.n_lost += one.is_lost
            result.leads += [(one.decision - min(before)).days] * one.is_lost
    return result


def plain_rule(settled: Sequence[Renewal], owners: Mapping[str, str], first: date) -> list[Touch]:
    """Return whom the plain rule touches: everyone, 90 days before the decision."""
    return [
        Touch(on, one.account_key, "", owners.get(one.account_key, "nobody"), "90 days", one.arr)
        for one in settled
        if (on := one.decision - timedelta(days=PLAIN_RULE_DAYS)) >= first
    ]
