"""Render a message as WeCom's Markdown, in parts no larger than a group's robot accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from include.common.text import unlinked
from include.outbox.message import MARKS, Message

MAX_BYTES = 4096
# Leaves room for the part number and for the mark of a cut line.
_ROOM = MAX_BYTES - 64
# WeCom has no escape. Look-alikes keep a customer's name from mentioning, linking, colouring or quoting.
_LOOKALIKES = str.maketrans(
    {"<": "‹", ">": "›", "[": "［", "]": "］", "*": "∗", "`": "ˋ", "#": "＃", "_": "＿", "~": "∼", "@": "＠", "&": "＆"}
)


def escape(text: str) -> str:
    """Return text that WeCom shows literally: no mention, no link, no formatting."""
    return unlinked(text.translate(_LOOKALIKES))


def parts(message: Message, reader: str) -> list[str]:
    """Return the message as Markdown, in as many parts as it needs.

    Args:
        reader: The recipient, named in the text because a robot writes to a whole group.
    """
    found: list[str] = []
    for line in _lines(message, reader):
        line = _cut(line)
        if found and len(f"{found[-1]}\n{line}".encode()) <= _ROOM:
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    if len(found) == 1:
        return found
    return [f"({number}/{len(found)})\n{part}" for number, part in enumerate(found, 1)]


def _lines(message: Message, reader: str) -> Iterable[str]:
    yield f"**{escape(message.subject)}**"
    yield f"> for {escape(reader)}"
    yield from (f"> ⚠️ {escape(note)}" for note in message.notes)
    yield escape(message.summary)
    yield from (f"{escape(fact.label)}: **{escape(fact.value)}**" for fact in message.facts)
    if message.why_now:
        yield f"**Why now** {escape(message.why_now)}"
    for item in message.evidence:
        yield f"{MARKS[item.level]} {escape(item.text)}" + (f" ({escape(item.source)})" if item.source else "")
    yield from (f"{number}. {escape(step)}" for number, step in enumerate(message.next_steps, 1))
    yield from (f"[{escape(link.label)}]({_url(link.url)})" for link in message.links)
    if message.footer:
        yield escape(message.footer)


def _url(url: str) -> str:
    return re.sub(r"[()<>\s]", lambda sign: f"%{ord(sign.group()):02X}", url)


def _cut(line: str) -> str:
    return line if len(line.encode()) <= _ROOM else line.encode()[: _ROOM - 3].decode(errors="ignore") + "…"
