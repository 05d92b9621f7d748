"""Read out the experiments, store the readings, and report new verdicts to the head of customer success."""

from __future__ import annotations

from functools import partial

from include import config
from include.common.texts import N_, gettext
from include.config.own_texts import translated
from include.deliver import notices
from include.experiments import overview, words
from include.experiments.overview import Entry
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
            notices.notify(people.head_or_queue, partial(_verdict, name, entry, verdict))
    return verdicts


def _verdict(name: str, entry: Entry, verdict: str) -> Message:
    first, *rest = words.of(entry)
    command = f"python -m include.cli experiments show {name}"
    return Message(
        subject=gettext(_SHORT[entry.rule.type][verdict], title=translated(entry.rule.title)),
        summary=first,
        evidence=tuple(Evidence(text=each) for each in rest),
        next_steps=(gettext(_NEXT[verdict]), gettext("To see it: {command}", command=command)),
        footer=gettext("You are notified when the verdict changes."),
    )


_SHORT = {
    "playbook": {
        "works": N_("Playbook {title}: it works"),
        "harms": N_("Playbook {title}: it harms"),
        "not_shown": N_("Playbook {title}: no effect is shown"),
        "invalid": N_("Playbook {title}: its experiment is not valid"),
    },
    "touch": {
        "works": N_("Touch {title}: it works"),
        "harms": N_("Touch {title}: it harms"),
        "not_shown": N_("Touch {title}: no effect is shown"),
        "invalid": N_("Touch {title}: its experiment is not valid"),
    },
}
_NEXT = {
    "works": N_("Set hold_out: 0 in its file, so that all accounts get it."),
    "harms": N_("Set status: retired in its file."),
    "not_shown": N_("Decide whether its cost is worth an effect below the detectable one; change it or retire it."),
    "invalid": N_("Find out why accounts left their arm; then start again under a new name."),
}
