"""Render a message as Slack blocks, within Slack's limits, and without text that Slack would interpret.

Limits (from Slack's reference, except the total, which is undocumented and was found by others): 50 blocks, header 150
characters, section 3000, ten fields of 2000 each, about 13,200 characters in total. Slack refuses a longer message as a
whole, so lines that do not fit are left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from include.common import texts
from include.common.text import harmless
from include.outbox.message import MARKS, Message

Block = dict[str, Any]

MAX_BLOCKS = 50
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_FIELD = 400  # Slack allows 2000, but ten full fields would leave no room for the reasons
MAX_FIELDS = 10
MAX_LINE = 600
MAX_TOTAL = 12_000
MAX_FALLBACK = 3000

# Slack has no escape for these. A look-alike keeps a name from turning on formatting.
_FORMATTING = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})


def escape(text: str) -> str:
    """Return text that Slack shows literally: no mention, no link, no formatting."""
    text = harmless(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<!\w)_|_(?!\w)", "＿", text.translate(_FORMATTING))


def fallback_text(message: Message) -> str:
    """Return the text for notifications and for clients that show no blocks."""
    return _cut(escape(" ".join((*message.notes, f"{message.subject}. {message.summary}"))), MAX_FALLBACK)


def blocks(message: Message) -> list[Block]:
    """Return the message as at most 50 blocks and 12,000 characters."""
    with texts.reading(message.language):
        return _blocks(message)


def _blocks(message: Message) -> list[Block]:
    head = [_header(message.subject)]
    head += [_section(_cut(f"⚠️ {escape(note)}", MAX_LINE)) for note in message.notes[:5]]
    if message.facts:
        fields = [_text(f"*{_cut(escape(fact.label), 80)}*\n{escape(fact.value)}", MAX_FIELD) for fact in message.facts]
        head.append({"type": "section", "fields": fields[:MAX_FIELDS]})
    if message.why_now:
        head.append(_section(_cut(f"*{texts.gettext('Why now')}*\n{escape(message.why_now)}", 2 * MAX_LINE)))
    tail = []
    if message.links:
        tail.append(_section("  ·  ".join(f"<{_url(link.url)}|{_label(link.label)}>" for link in message.links[:8])))
    if message.foot:
        tail.append({"type": "context", "elements": [_text(escape(message.foot), MAX_LINE)]})
    room = MAX_TOTAL - _size(head) - _size(tail)
    steps = [f"{number}. {escape(step)}" for number, step in enumerate(message.next_steps, 1)]
    # Next steps matter more than the last reasons, so they get their room first.
    todo = _list(texts.gettext("What to do next"), steps, room // 2, 10)
    reasons = [
        f"{MARKS[item.level]} {escape(item.text)}" + (f"  ({escape(item.source)})" if item.source else "")
        for item in message.evidence
    ]
    seen = _list(
        texts.gettext("What we see"), reasons, room - _size(todo), MAX_BLOCKS - len(head) - len(todo) - len(tail)
    )
    return [*head, *seen, *todo, *tail]


def _list(title: str, lines: Iterable[str], room: int, max_blocks: int) -> list[Block]:
    """Return lines as sections. Lines that do not fit are replaced by their number."""
    lines = [_cut(line, MAX_LINE) for line in lines]
    if not lines:
        return []
    sections, left = [f"*{title}*"], len(lines)
    room -= len(title) + 40
    for line in lines:
        room -= len(line) + 1
        starts_new = len(sections[-1]) + len(line) + 1 > MAX_SECTION
        if room < 0 or (starts_new and len(sections) == max_blocks - 1):
            break
        if starts_new:
            sections.append(line)
        else:
            sections[-1] += f"\n{line}"
        left -= 1
    found = [_section(text) for text in sections]
    if left:
        found.append(
            {"type": "context", "elements": [_text(texts.ngettext("and {n} more", "and {n} more", left), MAX_SECTION)]}
        )
    return found


def _header(text: str) -> Block:
    text = harmless(text.replace("<", "‹").replace(">", "›")) or "…"
    return {"type": "header", "text": {"type": "plain_text", "text": _cut(text, MAX_HEADER), "emoji": False}}


def _section(text: str) -> Block:
    return {"type": "section", "text": _text(text, MAX_SECTION)}


def _text(text: str, limit: int) -> Block:
    # verbatim: Slack then links no URLs or channel names that a customer's name may look like.
    return {"type": "mrkdwn", "text": _cut(text, limit), "verbatim": True}


def _label(text: str) -> str:
    return escape(text).replace("|", "¦")


def _url(url: str) -> str:
    return url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    # Do not cut within an escape such as &amp;, which would show as garbage.
    return re.sub(r"&[a-z]{0,3}$", "", text[: limit - 1]) + "…"


def _size(found: Iterable[Block]) -> int:
    return sum(len(str(block)) for block in found)
