"""Text from outside, fit to be shown: a name in a CRM may hold anything."""

from __future__ import annotations

import unicodedata


def one_line(text: str) -> str:
    """Return the text as one line without control and direction marks, which a hostile name could hide behind."""
    visible = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(sign for sign in visible if unicodedata.category(sign) not in ("Cf", "Cs")).split())
