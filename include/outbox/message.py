"""A message to a person, free of any channel: what is said, not how Slack or a mail program shows it.

It is stored in the outbox as JSON and rendered when it is sent, so that the same message can go over a second channel.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

from include.common.text import one_line

Level = Literal["risk", "good", "info", "unknown"]
# How a reason's level is shown where there are signs.
MARKS: dict[Level, str] = {"risk": "🔴", "good": "🟢", "info": "🔵", "unknown": "⚪"}


def _web_address(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"is not a web address: {url[:80]!r}")
    return url


Line = Annotated[str, AfterValidator(one_line)]
Url = Annotated[str, AfterValidator(one_line), AfterValidator(_web_address)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Part):
    """One of the few things to see at a glance."""

    label: Line
    value: Line


class Evidence(_Part):
    """One reason, with the number behind it.

    Args:
        text: The reason, in a sentence with its number.
        source: What it was read from, and as of when.
        level: Whether it speaks against the renewal, for it, neither, or is not known.
    """

    text: Line
    source: Line = ""
    level: Level = "info"


class Link(_Part):
    """Where to continue."""

    label: Line
    url: Url


class Message(_Part):
    """What one person reads.

    Args:
        summary: One or two sentences that suffice on a phone's lock screen.
        notes: Shown first: why this reader gets it, or that it may be a repeat.
        evidence: The reasons, with numbers, sources and dates.
    """

    subject: Line
    summary: Line
    notes: tuple[Line, ...] = ()
    facts: tuple[Fact, ...] = ()
    why_now: Line = ""
    evidence: tuple[Evidence, ...] = ()
    next_steps: tuple[Line, ...] = ()
    links: tuple[Link, ...] = ()
    footer: Line = ""

    def with_note(self, note: str) -> Message:
        """Return the message with a further note before all others."""
        return self.model_copy(update={"notes": (one_line(note), *self.notes)})
