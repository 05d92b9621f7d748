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
        has_words = not "\u3040" <= phrase[0] <= "\u9fff"  # Chinese is written without spaces between words
        before = r"(?<!\w)" if has_words and phrase[0].isalnum() else ""  # a number may stand before a percent sign
        after = r"(?!\w)" if has_words else ""
        if re.search(f"{before}{words}{after}", text, re.IGNORECASE):
            raise ValueError(f"contains `{phrase}`: a template must not promise prices or commitments")
