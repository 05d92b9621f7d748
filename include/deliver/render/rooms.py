"""Render a message for a group: the same lines for every robot, in parts no larger than its vendor accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from include.common.text import harmless
from include.common.texts import gettext, reading, space
from include.outbox.message import MARKS, Message

MAX_TITLE = 150
_MAX_URL = 2000  # bytes; a longer link is shown without its address
# Chats have no escape, or no dependable one. Look-alikes keep a customer's name from mentioning, linking, colouring or
# quoting.
_MARKUP = str.maketrans(
    {"<": "‹", ">": "›", "[": "［", "]": "］", "*": "∗", "`": "ˋ", "#": "＃", "_": "＿", "~": "∼", "@": "＠", "&": "＆"}
)
_TAGS = str.maketrans({"<": "‹", ">": "›"})
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Run:
    """Text in one style."""

    text: str
    is_bold: bool = False
    url: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a message. Its texts are not yet escaped."""

    runs: tuple[Run, ...]
    is_quoted: bool = False


def escape(text: str) -> str:
    """Return text that a chat with Markdown shows literally: no mention, no link, no formatting."""
    return harmless(text.translate(_MARKUP))


def literal(text: str) -> str:
    """Return text that a field for plain text shows literally: no tag such as a mention, and no link."""
    return harmless(text.translate(_TAGS))


def markdown(line: Line) -> str:
    """Return a line as Markdown."""
    text = "".join(_markdown(run) for run in line.runs if run.text)
    return f"> {text}" if line.is_quoted else text


def safe_url(url: str) -> str:
    """Return an address that cannot end a Markdown link early."""
    return re.sub(r"[()<>\s]", lambda sign: f"%{ord(sign.group()):02X}", url)


def parts(
    message: Message, reader: str, show: Callable[[Line], Shown], size: Callable[[Shown], int], room: int
) -> list[tuple[str, list[Shown]]]:
    """Return the message as (title, lines) per part, in as many parts as it needs.

    Args:
        reader: The recipient, named in the text because a robot writes to a whole group.
        show: Turns a line into the vendor's format.
        size: The bytes that a shown line takes of ``room``.
        room: Bytes for the lines of a part, without title and envelope.
    """
    found: list[list[Shown]] = []
    left = 0
    with reading(message.language):
        lines = list(_lines(message, reader))
    for line in lines:
        shown = _cut(line, show, size, room)
        needed = size(shown)
        if not found or needed > left:
            found.append([])
            left = room
        found[-1].append(shown)
        left -= needed
    title = message.subject if len(message.subject) <= MAX_TITLE else f"{message.subject[: MAX_TITLE - 1]}…"
    if len(found) == 1:
        return [(title, found[0])]
    return [(f"({number}/{len(found)}) {title}", shown) for number, shown in enumerate(found, 1)]


def _lines(message: Message, reader: str) -> Iterable[Line]:
    yield Line((Run(gettext("For {reader}", reader=reader)),), is_quoted=True)
    yield from (Line((Run(f"⚠️ {note}"),), is_quoted=True) for note in message.notes)
    yield Line((Run(message.summary),))
    yield from (
        Line((Run(gettext("{label}:", label=fact.label) + space()), Run(fact.value, is_bold=True)))
        for fact in message.facts
    )
    if message.why_now:
        yield Line((Run(gettext("Why now"), is_bold=True), Run(f" {message.why_now}")))
    for item in message.evidence:
        yield Line((Run(f"{MARKS[item.level]} {item.text}" + (f" ({item.source})" if item.source else "")),))
    yield from (Line((Run(f"{number}. {step}"),)) for number, step in enumerate(message.next_steps, 1))
    for link in message.links:
        yield Line((Run(link.label, url=link.url if len(link.url.encode()) <= _MAX_URL else ""),))
    if message.foot:
        yield Line((Run(message.foot),))


def _markdown(run: Run) -> str:
    text = escape(run.text)
    if run.url:
        return f"[{text}]({safe_url(run.url)})"
    return f"**{text}**" if run.is_bold else text


def _cut(line: Line, show: Callable[[Line], Shown], size: Callable[[Shown], int], room: int) -> Shown:
    """Show a line, with its longest text shortened until it fits in a part of its own."""
    while size(shown := show(line)) > room:
        longest = max(line.runs, key=lambda run: len(run.text))
        shorter = replace(longest, text=f"{longest.text[: len(longest.text) * 3 // 4]}…")
        line = replace(line, runs=tuple(shorter if run is longest else run for run in line.runs))
    return shown
