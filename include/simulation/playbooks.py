"""Replay a playbook on past days, and compare it with the plain rule: contact everyone 90 days before the decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from include.decide.playbooks.schema import Playbook
from include.decide.rules.evaluate import Hit, evaluate
from include.decide.rules.load import Rule
from include.scores.precision import HORIZON_DAYS, PLAIN_RULE_DAYS, Precision, Renewal, measure
from include.simulation.history import History
from include.simulation.signals import Past


@dataclass(frozen=True)
class Touch:
    """One start of a playbook, or of the plain rule, for an account.

    Args:
        owner: The name of its CSM on that day.
    """

    on: date
    account_key: str
    account_name: str
    owner: str
    cause: str
    arr: float


@dataclass
class Score(Precision):
    """The precision and recall of a playbook's touches, and the work that they caused.

    Args:
        per_week: CSM and Monday of the week -> touches.
    """

    per_week: Counter[tuple[str, date]] = field(default_factory=Counter)

    @property
    def busiest_week(self) -> int:
        """The most touches of one CSM in a week."""
        return max(self.per_week.values(), default=0)


def replay(history: History, rule: Rule[Playbook], episodes: Sequence[Past]) -> list[Touch]:
    """Return the touches of a playbook, in order of their days.

    Args:
        history: The days, with the table of the playbook's subjects.
        rule: The playbook, whatever its status.
        episodes: The replayed episodes of the signals that it depends on.
    """
    located_rule = replace(rule, table=history.table(rule.about))
    playbook, touches = rule.file, []
    started: dict[str, str] = {}
    running: dict[str, date] = {}
    for day in history.days:
        opened = [past for past in episodes if past.opened_on <= day and not (past.closed_on and past.closed_on <= day)]
        at_risk = {past.account_key for past in opened}
        triggers = {past.subject_id: f"{past.signal} of {past.opened_on}" for past in opened if not past.is_silent}
        ids = [*triggers, *running] if playbook.trigger.signals else list(running)
        hits = {hit.subject_id: hit for hit in evaluate(history.connection, day, located_rule, ids)}
        for entity_id in list(running):
            found = hits.get(entity_id)
            is_trigger_open = entity_id in triggers
            if playbook.trigger.at_risk:
                is_trigger_open = found is not None and found.values["account_key"] in at_risk
            if _is_over(playbook, found, day, running[entity_id], is_trigger_open):
                del running[entity_id]
        for entity_id, hit in hits.items():
            values = hit.values
            if playbook.trigger.at_risk and values["account_key"] not in at_risk:
                continue
            cause = triggers.get(entity_id, "") if playbook.trigger.signals else f"{playbook.trigger.rung} days"
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
                )
            )
    return touches


def _is_over(playbook: Playbook, hit: Hit | None, day: date, since: date, is_signal_open: bool) -> bool:
    after = playbook.exit.after_days
    if hit is None or hit.closes or (after is not None and day >= since + timedelta(days=after)):
        return True
    return bool(playbook.trigger.signals or playbook.trigger.at_risk) and not is_signal_open


def score(name: str, touches: Sequence[Touch], settled: Sequence[Renewal], horizon: int = HORIZON_DAYS) -> Score:
    """Compare touches with the outcomes of the renewals that followed, by `precision.measure`."""
    by_account: dict[str, list[date]] = {}
    for touch in touches:
        by_account.setdefault(touch.account_key, []).append(touch.on)
    result = Score(**vars(measure(name, by_account, settled, horizon)))
    result.per_week.update((touch.owner, touch.on - timedelta(days=touch.on.weekday())) for touch in touches)
    return result


def plain_rule(settled: Sequence[Renewal], owners: Mapping[str, str], first: date) -> list[Touch]:
    """Return the touches of the plain rule: everyone, 90 days before the decision."""
    return [
        Touch(on, one.account_key, "", owners.get(one.account_key, "nobody"), "90 days", one.arr)
        for one in settled
        if (on := one.decision - timedelta(days=PLAIN_RULE_DAYS)) >= first
    ]
