"""Make text from vendors safe to show: a name in a CRM may contain anything."""

from __future__ import annotations

import re
import unicodedata

# GitHub's Markdown, mail clients and chats turn these into links: https://github.github.com/gfm/#autolinks-extension-
_LINKS = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}:(?=//)|www\.(?=\S)|(?:mailto|xmpp|tel):(?=\S))")


def one_line(text: str) -> str:
    """Return the text as one line, without the control and direction marks that a hostile name could use to deceive."""
    visible = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(sign for sign in visible if unicodedata.category(sign) not in ("Cf", "Cs")).split())


def unlinked(text: str) -> str:
    """Defuse links: insert an invisible word joiner into every address, so that no client makes it clickable."""
    return _LINKS.sub(lambda found: f"{found[0]}\u2060", text)
