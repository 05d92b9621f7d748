"""Compare a property's name with the phrases that people use for a column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from rapidfuzz import fuzz

from include.operations.mapping_proposal.portal import Property
from include.operations.mapping_proposal.words import AVOID, FILLERS, SOUGHT, Sought

# From LIKELY on a name may be a match; from SURE on it is one.
LIKELY, SURE = 0.6, 0.85
_AVOIDED, _HOLDS = 0.5, 0.8
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_UMLAUTS = str.maketrans({"ß": "ss", "ø": "o"})


@cache
def plain(text: str) -> str:
    """Return a text in lower case, without accents, punctuation, and two-letter umlauts."""
    spaced = _CAMEL.sub(" ", text.removesuffix("__c")).lower().translate(_UMLAUTS)
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", spaced) if not unicodedata.combining(sign))
    folded = bare.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    return " ".join(re.sub(r"[\W_]+", " ", folded).split())


FILLER_WORDS = frozenset(plain(word) for word in FILLERS)


def has(text: str, words: Iterable[str]) -> bool:
    """Return whether one of the words is in a plain text: as a whole word, or anywhere for Chinese."""
    return any(found(text, plain(word)) for word in words)


def found(text: str, word: str) -> bool:
    """Return whether a plain word is in a plain text: as a whole word, or anywhere for Chinese."""
    return word in text if _CHINESE.search(word) else f" {word} " in f" {text} "


def stems(text: str, words: Iterable[str]) -> bool:
    """Return whether a word of a plain text starts with one of the stems; Chinese matches anywhere."""
    return any(_stem(text, word) for word in words)


@cache
def _stem(text: str, word: str) -> bool:
    if _CHINESE.search(word):
        return word in text
    stem = plain(word)
    # German joins words: a long stem may also be inside a word.
    return bool(re.search(rf"\b{re.escape(stem)}", text)) or (len(stem) >= 6 and stem in text)


def score(property_: Property, sought: Sought) -> float:
    """Return how well a property's name and label match a column, from 0 to 1."""
    if property_.name in sought.names:
        return 1.0 - 0.01 * sought.names.index(property_.name)
    label, name = plain(property_.label), plain(property_.name)
    # The label is what users see. The name may be out of date.
    phrases = (*sought.phrases, *sought.also, *(stem for group in sought.parts for stem in group))
    best = max(
        weight * _likeness(text, meant)
        for text, of_text in ((label, 1.0), (name, 0.97))
        for meant, weight in ((sought.phrases, of_text), (sought.also, of_text * 0.95))
    )
    best = max(best, _composed(label, sought.parts), 0.97 * _composed(name, sought.parts))
    if best < LIKELY:
        return 0.0
    avoided = (*sought.avoid, *(word for word in AVOID if not any(word in phrase for phrase in phrases)))
    return best * (_AVOIDED if has(label, avoided) or has(name, avoided) else 1.0)


def _likeness(text: str, phrases: tuple[str, ...]) -> float:
    return max((_one(text, plain(phrase)) for phrase in phrases), default=0.0) if text else 0.0


@cache
def _composed(text: str, parts: tuple[tuple[str, ...], ...]) -> float:
    """Return how well a name is composed of one stem per group, in any order, also within one word."""
    if not parts or not text:
        return 0.0
    words, left, rest = text.split(), set(text.split()), text
    for group in parts:
        stems_ = [plain(stem) for stem in group]
        hits = [(word, stem) for stem in stems_ for word in words if _is_part(word, stem)]
        # Stems of several words.
        hits += [(part, stem) for stem in stems_ if " " in stem and found(text, stem) for part in stem.split()]
        if not hits:
            return 0.0
        left -= {word for word, _ in hits}
        for stem in sorted((stem for _, stem in hits), key=len, reverse=True):
            rest = rest.replace(stem, "")
    if _CHINESE.search(text):
        return max(0.9 - 0.02 * len(_CHINESE.findall(rest)), LIKELY)
    return max(0.87 - 0.05 * sum(word not in FILLER_WORDS and not word.isdigit() for word in left), 0.0)


def _is_part(word: str, stem: str) -> bool:
    if _CHINESE.search(stem):
        return stem in word
    if len(stem) <= 3:
        return word == stem
    return word.startswith(stem) or (len(stem) >= 4 and word.endswith(stem))


@cache
def _one(text: str, phrase: str) -> float:
    if text == phrase:
        return 1.0
    if _CHINESE.search(phrase):
        return max(0.95 - 0.03 * (len(text) - len(phrase)), LIKELY) if phrase in text else 0.0
    words, sought = text.split(), phrase.split()
    if f" {phrase} " in f" {text} ":
        extra = sum(word not in FILLER_WORDS and not word.isdigit() for word in words) - sum(
            word not in FILLER_WORDS for word in sought
        )
        # A short word such as "term" or "type" may mean anything.
        weight = 0.04 if len(phrase) > 8 or len(sought) > 1 or phrase in ("arr", "mrr", "acv", "tcv") else 0.15
        return max(0.96 - weight * extra, 0.0)
    if set(sought) <= set(words):
        return 0.9 - 0.05 * (len(words) - len(sought))
    squeezed, wanted = text.replace(" ", ""), phrase.replace(" ", "")
    if squeezed == wanted:
        return 0.97
    if len(wanted) >= 8 and wanted in squeezed:
        return max(0.88 - 0.02 * (len(squeezed) - len(wanted)), LIKELY)
    if len(wanted) >= 8 and fuzz.ratio(squeezed, wanted) >= 88:
        return 0.82
    return 0.0


def holding_contracts(schema: Iterable[Property]) -> list[str]:
    """Return the company properties that most look like ARR, MRR or renewal date."""
    sought = [one for one in SOUGHT if one.column in ("contract_arr", "contract_mrr", "renewal_date")]
    found = [(max(score(one, column) for column in sought), one.name) for one in schema]
    return [name for likeness, name in sorted(found, reverse=True) if likeness >= _HOLDS]
