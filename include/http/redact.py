"""Make other systems' messages short and safe to show."""

from __future__ import annotations

from include.common.secrets import hidden

_MAX_LENGTH = 300


def redact(text: str, *secrets: str) -> str:
    """Return the text as one line of readable length, without secrets.

    Args:
        text: The text to show.
        secrets: More secrets to remove; empty ones are ignored.
    """
    text = hidden(" ".join(text.split()), *secrets)
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
