"""Messages to a person, independent of the channel. A channel decides how Slack or a mail program shows them.

A message is stored in the outbox as JSON and rendered when it is sent, so that it can also be sent over a second
channel.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from include.common import texts
from include.common.text import one_line

Level = Literal["risk", "good", "info", "unknown"]
# The symbol of each level, for channels that show symbols.
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
    """One of a few facts to read at a glance."""

    label: Line
    value: Line


class Evidence(_Part):
    """One reason, with the figure behind it.

    Args:
        text: The reason, as a sentence with its figure.
        source: The source of the figure, and its date.
        level: Whether it is a risk to the renewal, good news, neutral, or unknown.
    """

    text: Line
    source: Line = ""
    level: Level = "info"


class Link(_Part):
    label: Line
    url: Url


class Message(_Part):
    """A message to one person.

    Args:
        summary: One or two sentences, enough for a phone's lock screen.
        notes: Shown first: why this reader receives it, or that it may be a repeat.
        evidence: The reasons, with figures, sources and dates.
        language: The language that it is written in: the one of the ``reading`` in which it was made.
        is_incomplete: Whether some of its texts are English, because they have no translation.
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
    language: str = Field(default_factory=texts.language)
    is_incomplete: bool = Field(default_factory=texts.is_incomplete)

    @property
    def foot(self) -> str:
        """The footer, and that texts are missing in the reader's language."""
        if not (self.is_incomplete or texts.is_incomplete()):
            return self.footer
        return texts.space().join(filter(None, (self.footer, texts.incomplete_note())))

    def with_note(self, note: str) -> Message:
        """Return a copy with this note before all others."""
        return self.model_copy(update={"notes": (one_line(note), *self.notes)})
