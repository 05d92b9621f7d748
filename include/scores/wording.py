"""Sentences that the explanations of several scores share, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence

from include.common import formatting
from include.common.texts import gettext


def coverage(share: float, missing: Sequence[str]) -> str:
    """Return how much of a score's weight has data.

    Args:
        missing: Titles of what has none.
    """
    if not missing:
        return gettext("Data covers {share} of the weight.", share=formatting.percent(share))
    return gettext(
        "Data covers {share} of the weight; missing: {titles}.",
        share=formatting.percent(share),
        titles=", ".join(missing),
    )
