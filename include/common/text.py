"""Text from outside, fit to be shown: a name in a CRM may hold anything."""

from __future__ import annotations

import re
import unicodedata

# GitHub's Markdown, mail programs and chats make links of these: https://github.github.com/gfm/#autolinks-extension-
_LINKS = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}:(?=//)|www\.(?=\S)|(?:mailto|xmpp|tel):(?=\S))")


def one_line(text: str) -> str:
    """Return the text as one line without control and direction marks, which a hostile name could hide behind."""
    visible = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(sign for sign in visible if unicodedata.category(sign) not in ("Cf", "Cs")).split())


def unlinked(text: str) -> str:
    """Return a text in which no program finds an address to click on: each has an invisible word joiner inside it."""
    return _LINKS.sub(lambda found: f"{found[0]}\u2060", text)
