"""Keep templates from promising a price or a commitment: only a person may do that."""

from __future__ import annotations

import re

from include.config import load

# Jinja expressions and tags are not text that a reader sees.
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def phrases() -> tuple[str, ...]:
    return load().promises.phrases


def check(template: str) -> None:
    """Check a template against the phrases of ``config/promises.yaml``.

    Raises:
        ValueError: The template contains one of them. The error names it.
    """
    text = _JINJA.sub(" ", template)
    for phrase in phrases():
        words = r"\s+".join(re.escape(word) for word in phrase.split())
        before = r"(?<!\w)" if phrase[0].isalnum() else ""  # a number may stand directly before a percent sign
        if re.search(rf"{before}{words}(?!\w)", text, re.IGNORECASE):
            raise ValueError(f"contains `{phrase}`: a template must not promise prices or commitments")
