"""Which accounts an unmatched id may mean, ranked for a person to choose from; nothing here is ever taken by itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

# What companies are called beside their name. Kept short: a word too many makes two companies one.
_LEGAL = re.compile(
    r"\b(inc|incorporated|llc|ltd|limited|plc|gmbh|mbh|ag|kg|se|sa|sas|sarl|srl|spa|bv|nv|ab|as|oy|kk|co|corp|corporation"
    r"|company|pvt|pty|holding|group)\b"
)
# What joins two names: & is punctuation and goes with it. At either end of a name such a word is a part of it.
_JOINERS = re.compile(r"(?<=\w)\s+(?:and|und|et|y)\s+(?=\w)|(?<=\w)和(?=\w)")
# An umlaut is written with an e where it cannot be typed; both ways lose it.
_UMLAUT = re.compile(r"([aou])e")
_SPELT = str.maketrans({"ø": "o", "æ": "a", "œ": "o"})
_SIMILAR = 70.0  # below this a name says nothing; of 100
_NAME, _DOMAIN, _PEOPLE = 0.5, 0.3, 0.2  # how much each kind of evidence weighs


@dataclass(frozen=True)
class Subject:
    """An id that nobody knows the account of.

    Args:
        name: As its source calls it.
        domains: Domains that it says are its own.
        people: Domains of its users' addresses, mail providers' left out.
    """

    name: str
    domains: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """An account of the CRM.

    Args:
        domain: Its web domain.
        people: Domains of its contacts' addresses, mail providers' left out.
    """

    account_key: str
    name: str
    domain: str = ""
    people: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Suggestion:
    """An account that it may be.

    Args:
        score: From 0 to 1; only for the order.
        reason: What speaks for it.
    """

    account_key: str
    name: str
    score: float
    reason: str


def plain_name(name: str) -> str:
    """Return a name without case, accents, punctuation, legal form, and what joins its parts."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(one for one in folded if not unicodedata.combining(one))
    letters = _UMLAUT.sub(r"\1", letters.translate(_SPELT))
    words = _JOINERS.sub(" ", re.sub(r"[^\w]+", " ", letters.replace(".", "")).strip())
    return " ".join(_LEGAL.sub(" ", words).split()) or words


class Ranker:
    """Ranks the accounts for many ids; the accounts are prepared once.

    Args:
        candidates: All accounts that an id may mean.
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
            subject: What is looked for.
            refused: Accounts of which somebody said that they are not it.
            limit: How many at most.
        """
        alike: dict[int, float] = {}
        name = plain_name(subject.name)
        if name:
            found = process.extract(
                name, self._names, scorer=fuzz.token_sort_ratio, score_cutoff=_SIMILAR, limit=4 * limit
            )
            alike = {position: score for _, score, position in found}
        near = {
            position
            for domain in subject.domains | subject.people
            for position in self._by_domain.get(domain, ())[: 4 * limit]
        }
        judged = [self._judge(subject, position, alike.get(position), name) for position in near | set(alike)]
        kept = [one for one in judged if one.account_key not in refused]
        return sorted(kept, key=lambda one: (-one.score, one.account_key))[:limit]

    def _judge(self, subject: Subject, position: int, alike: float | None, name: str) -> Suggestion:
        candidate = self._candidates[position]
        likeness = alike if alike is not None else fuzz.token_sort_ratio(name, self._names[position])
        score, reason = 0.0, []
        if likeness >= _SIMILAR:
            score += _NAME * likeness / 100
            reason.append(f"name {likeness:.0f}% alike")
        if candidate.domain and candidate.domain in subject.domains:
            score += _DOMAIN
            reason.append(f"domain {candidate.domain}")
        shared = sorted(subject.people & ({candidate.domain, *candidate.people} - {""}))
        if shared:
            score += _PEOPLE
            reason.append(f"people at {shared[0]}")
        return Suggestion(candidate.account_key, candidate.name, round(score, 3), ", ".join(reason))


def shown(suggestions: Sequence[Suggestion]) -> list[str]:
    """Return suggestions as lines."""
    return [f"{one.account_key}  {one.name}  ({one.reason})" for one in suggestions]
