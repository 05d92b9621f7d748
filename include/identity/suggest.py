"""Rank the accounts that an unmatched id may belong to. A person chooses; nothing is matched automatically."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

# Legal forms after company names. The list is short: one word too many makes two companies one.
_LEGAL = re.compile(
    r"\b(inc|incorporated|llc|ltd|limited|plc|gmbh|mbh|ag|kg|se|sa|sas|sarl|srl|spa|bv|nv|ab|as|oy|kk|co|corp|corporation"
    r"|company|pvt|pty|holding|group)\b"
)
# Words that join two names; & is removed with the punctuation. At the start or end of a name, the word is part of it.
_JOINERS = re.compile(r"(?<=\w)\s+(?:and|und|et|y)\s+(?=\w)|(?<=\w)和(?=\w)")
# An umlaut is often typed as a vowel and an e. Both spellings become the plain vowel.
_UMLAUT = re.compile(r"([aou])e")
_SPELT = str.maketrans({"ø": "o", "æ": "a", "œ": "o"})
_MIN_SIMILARITY = 70.0  # out of 100; a lower similarity of names is no evidence
_NAME, _DOMAIN, _PEOPLE = 0.5, 0.3, 0.2  # weight of each kind of evidence


@dataclass(frozen=True)
class Subject:
    """An id without a known account.

    Args:
        name: Its name in its source.
        domains: Domains that it claims as its own.
        people: Domains of its users' addresses, without mail providers'.
    """

    name: str
    domains: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """An account of the CRM.

    Args:
        domain: Its web domain.
        people: Domains of its contacts' addresses, without mail providers'.
    """

    account_key: str
    name: str
    domain: str = ""
    people: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Suggestion:
    """An account that the id may belong to.

    Args:
        score: From 0 to 1; only for ordering.
        reason: The evidence for it.
    """

    account_key: str
    name: str
    score: float
    reason: str


def plain_name(name: str) -> str:
    """Return a name without case, accents, punctuation, legal form, and joining words."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(one for one in folded if not unicodedata.combining(one))
    letters = _UMLAUT.sub(r"\1", letters.translate(_SPELT))
    words = _JOINERS.sub(" ", re.sub(r"[^\w]+", " ", letters.replace(".", "")).strip())
    return " ".join(_LEGAL.sub(" ", words).split()) or words


class Ranker:
    """Rank accounts for many ids. The accounts are prepared once.

    Args:
        candidates: All accounts that an id may belong to.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._candidates = list(candidates)
        self._names = [plain_name(one.name) for one in self._candidates]
        self._by_domain: dict[str, list[int]] = {}
        for position, one in enumerate(self._candidates):
            for domain in {one.domain, *one.people} - {""}:
                self._by_domain.setdefault(domain, []).append(position)

    def rank(self, subject: Subject, refused: frozenset[str] = frozenset(), limit: int = 5) -> list[Suggestion]:
        """Return the likeliest accounts first.

        Args:
            subject: The unmatched id.
            refused: Accounts that somebody has ruled out for it.
            limit: Maximum number of suggestions.
        """
        similar: dict[int, float] = {}
        name = plain_name(subject.name)
        if name:
            found = process.extract(
                name, self._names, scorer=fuzz.token_sort_ratio, score_cutoff=_MIN_SIMILARITY, limit=4 * limit
            )
            similar = {position: score for _, score, position in found}
        by_domain = {
            position
            for domain in subject.domains | subject.people
            for position in self._by_domain.get(domain, ())[: 4 * limit]
        }
        judged = [self._score(subject, position, similar.get(position), name) for position in by_domain | set(similar)]
        kept = [one for one in judged if one.account_key not in refused]
        return sorted(kept, key=lambda one: (-one.score, one.account_key))[:limit]

    def _score(self, subject: Subject, position: int, known_similarity: float | None, name: str) -> Suggestion:
        candidate = self._candidates[position]
        similarity = (
            known_similarity if known_similarity is not None else fuzz.token_sort_ratio(name, self._names[position])
        )
        score, reason = 0.0, []
        if similarity >= _MIN_SIMILARITY:
            score += _NAME * similarity / 100
            reason.append(f"name {similarity:.0f}% similar")
        if candidate.domain and candidate.domain in subject.domains:
            score += _DOMAIN
            reason.append(f"domain {candidate.domain}")
        shared = sorted(subject.people & ({candidate.domain, *candidate.people} - {""}))
        if shared:
            score += _PEOPLE
            reason.append(f"people at {shared[0]}")
        return Suggestion(candidate.account_key, candidate.name, round(score, 3), ", ".join(reason))


def suggestion_lines(suggestions: Sequence[Suggestion]) -> list[str]:
    return [f"{one.account_key}  {one.name}  ({one.reason})" for one in suggestions]
