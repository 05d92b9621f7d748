"""The names and labels that people use for our columns: ``vocabulary.yaml``, read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from include.config.documents import read

# Translated choices: frequency (of billing), kind, role, status. months: a length of time. deal, line: an id. choice:
# any option.
Holds = Literal[
    "date", "number", "months", "flag", "kind", "role", "status", "frequency", "text", "deal", "line", "choice"
]
Words = tuple[str, ...]


@dataclass(frozen=True)
class Sought:
    """A column for which a property is sought.

    Args:
        column: The column; one that begins with ~ serves as evidence only.
        holds: The required type of its values.
        phrases: Phrases that people use for it.
        names: Exact vendor names, most reliable first.
        also: Phrases for a possible substitute.
        parts: Groups of stems; a matching name has one stem of each.
        avoid: Words that mean something else.
        cost: What is missing without it; "" if nothing worth mentioning.
        is_rare: Whether it is normally empty in most rows.
    """

    entity: str
    column: str
    holds: Holds
    phrases: Words
    names: Words = ()
    also: Words = ()
    parts: tuple[Words, ...] = ()
    avoid: Words = ()
    cost: str = ""
    is_rare: bool = False


_VOCABULARY: dict[str, Any] = read(Path(__file__).with_name("vocabulary.yaml")).data


def _words(given: Any) -> Words:
    return tuple(map(str, given))


def _sought(one: dict[str, Any]) -> Sought:
    entity, _, column = one["column"].partition(".")
    concept, avoid = one["phrases"], one.get("avoid", ())
    return Sought(
        entity=entity,
        column=column,
        holds=one["holds"],
        phrases=_words(_VOCABULARY["phrases"][concept] if isinstance(concept, str) else concept),
        names=_words(one.get("names", ())),
        also=_words(_VOCABULARY["phrases"][one["also"]]) if "also" in one else (),
        parts=_parts(concept) if isinstance(concept, str) else (),
        avoid=_words(_VOCABULARY["phrases"][avoid] if isinstance(avoid, str) else avoid),
        cost=one.get("cost", ""),
        is_rare=one.get("is_rare", False),
    )


def _parts(concept: str) -> tuple[Words, ...]:
    return tuple(_words(_VOCABULARY["stems"][stem]) for stem in _VOCABULARY["parts"].get(concept, ()))


def _evidence() -> list[Sought]:
    """Return the CRM's own yearly, monthly and total amounts, as evidence of what an amount covers."""
    avoid = _words(_VOCABULARY["phrases"]["not_money"])
    vendor = {"arr": ("hs_arr", "hs_acv"), "mrr": ("hs_mrr",), "tcv": ("hs_tcv",)}
    return [
        Sought(entity, f"~{one}", "number", _words(_VOCABULARY["phrases"][one]), names, parts=_parts(one), avoid=avoid)
        for entity in ("opportunity", "contract_line")
        for one, names in vendor.items()
    ]


SOUGHT: tuple[Sought, ...] = (*map(_sought, _VOCABULARY["columns"]), *_evidence())
AVOID = _words(_VOCABULARY["avoid"])
FILLERS = frozenset(_words(_VOCABULARY["fillers"]))
KINDS, ROLES, STATUSES, FREQUENCIES = (
    {word: _words(stems) for word, stems in _VOCABULARY[name].items()}
    for name in ("kinds", "roles", "statuses", "frequencies")
)
YES, NO = _words(_VOCABULARY["yes"]), _words(_VOCABULARY["no"])
IN_DAYS, IN_YEARS = _words(_VOCABULARY["in_days"]), _words(_VOCABULARY["in_years"])
RENEWAL_PIPELINE = _words(_VOCABULARY["renewal_pipeline"])
