"""Events to notify a person of: an episode opened, became worse, or is due after a snooze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.decide.recipients import Recipient
from include.decide.rules.evaluate import Hit
from include.decide.rules.load import Rule
from include.decide.rules.planner import Evaluation
from include.decide.signals.schema import Signal


@dataclass(frozen=True)
class Event:
    """One event to notify a person of.

    Args:
        step: ``opened``, ``worse``, or ``due:`` with the day on which a snooze ended.
    """

    evaluation: Evaluation[Signal]
    hit: Hit
    step: str
    to: Recipient

    @property
    def rule(self) -> Rule[Signal]:
        return self.evaluation.rule

    @property
    def values(self) -> Mapping[str, Any]:
        return self.hit.values

    @property
    def rank(self) -> tuple[bool, bool, float, str]:
        """The sort key: worse first, then risks, then the highest ARR."""
        return (
            not self.hit.is_worse,
            self.rule.file.kind != "risk",
            -float(self.values["arr"] or 0),
            f"{self.rule.file.name} {self.hit.subject_id}",
        )
