"""Keeps templates from promising a price or a commitment: only a person can give that."""

from __future__ import annotations

import re

from include.config import load

# What a template fills in or decides by is no text of its own.
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def phrases() -> tuple[str, ...]:
    """Return the phrases that no template may hold."""
    return load().promises.phrases


def check(template: str) -> None:
    """Look for phrases of ``config/promises.yaml``.

    Raises:
        ValueError: The template holds one; says which.
    """
    text = _JINJA.sub(" ", template)
    for phrase in phrases():
        words = r"\s+".join(re.escape(word) for word in phrase.split())
        before = r"(?<!\w)" if phrase[0].isalnum() else ""  # the number before a per cent sign is none of it
        if re.search(rf"{before}{words}(?!\w)", text, re.IGNORECASE):
            raise ValueError(f"says `{phrase}`: a template may promise neither price nor commitment")
