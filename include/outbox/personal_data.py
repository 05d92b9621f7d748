"""Protect personal data: an account's CSM may see the names of the customer's people, a whole channel may not.

A text is marked where it is written: two characters that no text contains enclose each personal value, and the marks
stay in the outbox. They are resolved when a channel knows its readers: one person, or everybody in a channel or group.
"""

from __future__ import annotations

import re
from typing import Any

from include.common.texts import gettext

# From Unicode's private use area: they have no other meaning, and values are cleaned of them before they are marked.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKED = re.compile(f"{_OPEN}[^{_OPEN}{_CLOSE}]*{_CLOSE}?")


def personal(value: Any) -> Any:
    """Return a value marked as personal; None stays None."""
    return value if value is None else f"{_OPEN}{plain(str(value))}{_CLOSE}"


def plain(text: str) -> str:
    """Return a text without marks."""
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def shown(content: Any, is_shared: bool) -> Any:
    """Return texts, also nested ones, as their readers may see them.

    Args:
        is_shared: Whether more than one person reads it.
    """
    if isinstance(content, str):
        return plain(_MARKED.sub(gettext("(name withheld)"), content)) if is_shared else plain(content)
    if isinstance(content, dict):
        return {name: shown(value, is_shared) for name, value in content.items()}
    return [shown(value, is_shared) for value in content] if isinstance(content, list | tuple) else content
