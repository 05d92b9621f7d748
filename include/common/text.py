"""Make text from vendors safe to show: a name in a CRM may contain anything."""

from __future__ import annotations

import re
import unicodedata

# GitHub's Markdown, mail clients and chats turn these into links: https://github.github.com/gfm/#autolinks-extension-
_LINKS = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}:(?=//)|www\.(?=\S)|(?:mailto|xmpp|tel):(?=\S))")
# Persian and Indic words and emoji need them (https://github.com/kepano/defuddle/pull/103). Elsewhere they would hide a
# difference.
_JOINERS = "\u200c\u200d"
_NEEDS_JOINERS = "[^\\x00-\u02ff\u2000-\u206f\\s]"
_STRAY = re.compile(f"(?<!{_NEEDS_JOINERS})[{_JOINERS}]|[{_JOINERS}](?!{_NEEDS_JOINERS})")
_RIGHT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RIGHT_TO_LEFT = re.compile(f"[{_RIGHT}](?:[{_RIGHT}\\W]*[{_RIGHT}])?")


def one_line(text: str) -> str:
    """Return the text as one line, without the control and direction marks that a hostile name could use to deceive."""
    visible = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    kept = (sign for sign in visible if sign in _JOINERS or unicodedata.category(sign) not in ("Cf", "Cs"))
    return " ".join(_STRAY.sub("", "".join(kept)).split())


def harmless(text: str) -> str:
    """Return the text as chats and mail programs show it literally: no address is a link, and figures keep their place.

    A word joiner in each address keeps it from being clickable. Isolates around Arabic and Hebrew keep such a name from
    pulling the figures after it to its other side (https://github.com/unicode-org/message-format-wg/pull/566).
    """
    return _LINKS.sub(lambda found: f"{found[0]}\u2060", _RIGHT_TO_LEFT.sub("\u2067\\g<0>\u2069", text))
