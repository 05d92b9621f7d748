"""Patterns that anyone may edit: phrases with alternatives and gaps, which cannot take exponential time.

``(cannot|can't) .. open`` means one of the alternatives and, at most 25 characters later in the same sentence, "open".
``fail*`` is a word that starts so. Nothing else is special, and nothing repeats without a bound: a pattern is not a
regular expression of its author, whose nested repetitions could backtrack for hours
(https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS).
"""

from __future__ import annotations

import re
from functools import lru_cache

MOST_CHARACTERS = 200
MOST_GAPS = 2
_GAP = r"[^.!?。！？\n]{0,25}?"
_TOKEN = re.compile(r"\s*\.\.\s*|\(([^()]*)\)|\s+|[^\s()*]+?(?=\.\.|[\s()*]|$)\*?|[()*]")
_LATIN = re.compile(r"[A-Za-z0-9_]")


@lru_cache(maxsize=2048)
def compiled(phrase: str) -> re.Pattern[str]:
    """Return the regular expression of a phrase. It ignores case.

    Raises:
        ValueError: The phrase is empty, too long, has too many gaps, or parentheses that do not match.
    """
    text = phrase.strip()
    if not text or len(text) > MOST_CHARACTERS:
        raise ValueError(f"a phrase has 1 to {MOST_CHARACTERS} characters")
    parts, n_gaps = [], 0
    for token in _TOKEN.finditer(text):
        found = token.group()
        if token.group(1) is not None:
            choices = [one.strip() for one in token.group(1).split("|")]
            if not all(choices):
                raise ValueError(f"{phrase!r} has an empty alternative")
            parts.append(f"(?:{'|'.join(map(_word, choices))})")
        elif found.strip() == "..":
            n_gaps += 1
            parts.append(_GAP)
        elif found.isspace():
            parts.append(r"\s{1,3}")
        elif found in "()*":
            raise ValueError(f"{phrase!r} has a parenthesis or asterisk that belongs to nothing")
        else:
            parts.append(_word(found))
    if n_gaps > MOST_GAPS:
        raise ValueError(f"{phrase!r} has more than {MOST_GAPS} gaps")
    if parts[0] == _GAP or parts[-1] == _GAP:
        raise ValueError(f"{phrase!r} starts or ends with a gap")
    return re.compile("".join(parts), re.IGNORECASE)


def _word(text: str) -> str:
    """Return the pattern of literal text. Latin words match as wholes; Chinese has no spaces."""
    starred = text.endswith("*")
    literal = text.removesuffix("*")
    inner = r"\s{1,3}".join(re.escape(one) for one in literal.split())
    start = r"(?<![A-Za-z0-9_])" if literal and _LATIN.match(literal[0]) else ""
    end = r"(?![A-Za-z0-9_])" if literal and _LATIN.match(literal[-1]) and not starred else ""
    return f"{start}{inner}{r'[A-Za-z0-9_]{0,12}' if starred else end}"
