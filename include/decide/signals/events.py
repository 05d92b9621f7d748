"""One thing to notify a person of: an episode that has opened or become worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.decide.recipients import Recipient
from include.decide.rules.evaluate import Hit
from include.decide.rules.load import Rule
from include.decide.rules.planner import Turn
from include.decide.signals.schema import Signal


@dataclass(frozen=True)
class Event:
    """See the module.

    Args:
        step: What happened: that it opened, became worse, or is due after a snooze.
    """

    turn: Turn[Signal]
    hit: Hit
    step: str
    to: Recipient

    @property
    def rule(self) -> Rule[Signal]:
        """The signal."""
        return self.turn.rule

    @property
    def values(self) -> Mapping[str, Any]:
        """The subject's columns."""
        return self.hit.values

    @property
    def rank(self) -> tuple[bool, bool, float, str]:
        """What comes first: what is worse, risks, the most money at stake."""
        return (
            not self.hit.is_worse,
            self.rule.file.kind != "risk",
            -float(self.values["arr"] or 0),
            f"{self.rule.file.name} {self.hit.subject_id}",
        )
