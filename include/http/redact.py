"""Makes what others say short and fit to be shown."""

from __future__ import annotations

from include.common.secrets import hidden

_LONGEST = 300


def redact(text: str, *secrets: str) -> str:
    """Return the text without secrets, as ``hidden`` does, as one line cut to a readable length.

    Args:
        text: What is about to be shown.
        secrets: More secrets that must not be in it; empty ones are ignored.
    """
    text = hidden(" ".join(text.split()), *secrets)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
