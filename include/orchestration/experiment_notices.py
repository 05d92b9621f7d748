"""Read out the experiments, store the readings, and report new verdicts to the head of customer success."""

from __future__ import annotations

from include import config
from include.deliver import notices
from include.experiments import overview, words
from include.outbox.message import Evidence, Message

# Verdicts on which somebody should act. The others mean: go on.
_DECIDED = ("works", "harms", "not_shown", "invalid")


def judge() -> dict[str, str]:
    """Store the read-out of each experiment under its day. Return experiment -> verdict."""
    verdicts: dict[str, str] = {}
    for name, (entry, reading, before) in overview.keep().items():
        verdict = verdicts[name] = reading.verdict
        if verdict in _DECIDED and verdict != before:
            people = config.load().people
            first, *rest = words.of(entry)
            notices.notify(
                people.head or people.queue,
                Message(
                    subject=f"Playbook {entry.playbook.title}: {_SHORT[verdict]}",
                    summary=first,
                    evidence=tuple(Evidence(text=each) for each in rest),
                    next_steps=(_NEXT[verdict], f"To see it: python -m include.cli experiments show {name}"),
                    footer="You are notified when the verdict changes.",
                ),
            )
    return verdicts


_SHORT = {
    "works": "it works",
    "harms": "it harms",
    "not_shown": "no effect is shown",
    "invalid": "its experiment is not valid",
}
_NEXT = {
    "works": "Set hold_out: 0 in its file, so that all accounts get it.",
    "harms": "Set status: retired in its file.",
    "not_shown": "Decide whether its cost is worth an effect below the detectable one; change it or retire it.",
    "invalid": "Find out why accounts left their arm; then start again under a new name.",
}
