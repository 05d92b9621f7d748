"""What happened to a signal of one account or person, and who was already notified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from include.decide.episodes import Episode
from include.decide.recipients import Recipient
from include.decide.signals.evaluate import Hit
from include.decide.signals.load import Loaded


@dataclass(frozen=True)
class Evaluated:
    """What was found of one signal.

    Args:
        loaded: The signal.
        hits: What opens or is open.
        episodes: The last episode of each subject.
        is_first: Whether it was never evaluated before.
    """

    loaded: Loaded
    hits: Sequence[Hit]
    episodes: Mapping[str, Episode]
    is_first: bool


@dataclass(frozen=True)
class Notified:
    """Who was notified already.

    Args:
        n_today: Alerts planned today, by address.
        states: State of today's digests, by key.
    """

    n_today: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One thing to notify of: an episode that has opened or become worse."""

    loaded: Loaded
    hit: Hit
    episode_no: int
    step: str
    is_worse: bool
    to: Recipient

    @property
    def rank(self) -> tuple[bool, bool, float, str]:
        """What comes first: what is worse, risks, the most money at stake."""
        return (
            not self.is_worse,
            self.loaded.signal.kind != "risk",
            -float(self.hit.values["arr"] or 0),
            f"{self.loaded.signal.name} {self.hit.subject_id}",
        )
