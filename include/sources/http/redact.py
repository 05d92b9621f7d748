"""Keeps secrets out of everything that a person or a log may see."""

from __future__ import annotations

import re

_HIDDEN = "***"
# Forms of secrets that vendors use, for those that we were not given ourselves (such as one echoed from elsewhere).
_FORMS = re.compile(
    r"(?i)\b(?:pat-[a-z0-9]+-[a-z0-9-]{8,}|xox[a-z]-[a-z0-9-]{6,}|(?<=bearer )[\w.~+/=-]{6,}|(?<=basic )[\w+/=]{6,}"
    r"|(?<=token=)[^&\s\"']+|(?<=password=)[^&\s\"']+|(?<=key=)[^&\s\"']+)"
)
_LONGEST = 300


def redact(text: str, *secrets: str) -> str:
    """Return the text without the given secrets and without what looks like one, cut to a readable length.

    Args:
        text: What is about to be shown.
        secrets: Secrets that must not be in it; empty ones are ignored.
    """
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = " ".join(_FORMS.sub(_HIDDEN, text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
