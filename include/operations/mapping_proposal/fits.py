"""Decide whether a property's values can fill a column, and with which mapping rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.operations.mapping_proposal.names import FILLER_WORDS, plain, stems
from include.operations.mapping_proposal.names import has as says
from include.operations.mapping_proposal.values import Profile, months, number, shape
from include.operations.mapping_proposal.words import (
    FREQUENCIES,
    IN_DAYS,
    IN_YEARS,
    KINDS,
    NO,
    ROLES,
    STATUSES,
    YES,
    Sought,
)

Rule = dict[str, Any]
# A text property with more distinct values than this is not a choice.
_MOST_OPTIONS = 24
_REPEATED = 4
_ENOUGH = 0.95
_VOCABULARIES: dict[str, Mapping[str, tuple[str, ...]]] = {
    "kind": KINDS, "role": ROLES, "status": STATUSES, "frequency": FREQUENCIES
}  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """How a property can fill a column.

    Args:
        rule: The other keys of the column in the mapping file: ``add_days``, ``values`` and so on.
        note: What a reader should know about it.
        question: Why it cannot be mapped as it is, and what to do; "" if it can.
        is_weak: Whether the values alone do not identify the column.
        words: For a choice, our words that its options were translated to.
        known: Share of records whose option was translated.
    """

    rule: Rule = field(default_factory=dict)
    note: str = ""
    question: str = ""
    is_weak: bool = False
    words: frozenset[str] = frozenset()
    known: float = 0.0


def fit(sought: Sought, profile: Profile, ids: Collection[str] = ()) -> Fit | None:
    """Return how a property fits a column; None if it holds something else.

    Args:
        profile: The property and its values.
        ids: Ids of the sample's deals or lines, for a column that refers to them.
    """
    if sought.holds in _VOCABULARIES:
        return _translated(profile, _VOCABULARIES[sought.holds], sought.column)
    if sought.holds in ("deal", "line"):
        return _reference(profile, ids)
    return _FITS[sought.holds](profile)


def _date(profile: Profile) -> Fit | None:
    kind = profile.about.kind
    if kind == "date":
        return Fit()
    if kind != "text":
        return None
    if profile.part(profile.days) >= _ENOUGH and not profile.part(profile.numbers) >= _ENOUGH:
        return Fit(note="a text property with typed dates: rows with another date format are quarantined", is_weak=True)
    if profile.is_typed_date:
        question = "a text property with dates in an unsupported format: make it a property of type date"
        return Fit(question=question)
    return None


def _number(profile: Profile) -> Fit | None:
    kind = profile.about.kind
    if kind == "number":
        return Fit()
    if kind != "text":
        return None
    if profile.numbers and profile.part(profile.numbers) >= _ENOUGH:
        return Fit(note="a text property with plain numbers", is_weak=True)
    if profile.is_typed_number:
        return Fit(question="a text property with amounts in an unsupported format: make it a number")
    return None


def _months(profile: Profile) -> Fit | None:
    if profile.about.kind in ("date", "flag", "reference") or not profile.values:
        return Fit() if profile.about.kind == "number" else None
    label = f"{plain(profile.about.label)} {plain(profile.about.name)}"
    if profile.part(profile.numbers) >= _ENOUGH:
        return _plain_lengths(profile, label)
    if profile.part(profile.lengths) >= _ENOUGH:
        whole = profile.part(profile.lengths) == 1
        return Fit(
            {"is_duration": True}, note="" if whole else "some values are not lengths of time", is_weak=not whole
        )
    labels = profile.about.options
    by_label = {value: str(months(text)) for value, text in labels.items() if months(text) is not None}
    known = sum(count for value, count in profile.counts.items() if value in by_label)
    if by_label and known >= _ENOUGH * len(profile.values):
        return Fit({"values": by_label}, note="translated by the options' labels")
    return None


def _plain_lengths(profile: Profile, label: str) -> Fit:
    distinct = sorted(set(profile.numbers))
    label_days, label_years = says(label, IN_DAYS), says(label, IN_YEARS)
    in_days = label_days or (not says(label, ("months", "monate", "月")) and min(distinct) >= 30)
    if any(one != int(one) for one in distinct):
        return Fit(question="contains fractions: should these be whole months?")
    if in_days and all(one % 30 == 0 for one in distinct) and len(distinct) <= 12:
        table = {value: str(int(number(value) or 0) // 30) for value in sorted(profile.counts, key=len)}
        return Fit({"values": table}, note="in days; any other number would be read as months",
                   is_weak=not label_days)  # fmt: skip
    if in_days:
        return Fit(question="it seems to be in days: add a property in months")
    if label_years and len(distinct) <= 12 and max(distinct) <= 10:
        table = {value: str(int(number(value) or 0) * 12) for value in sorted(profile.counts)}
        return Fit({"values": table}, note="in years")
    return Fit()


def _flag(profile: Profile) -> Fit | None:
    kind = profile.about.kind
    if kind == "flag" or (profile.is_flag and kind in ("text", "choice", "number")):
        return Fit()
    if kind not in ("choice", "text") or not profile.values or len(profile.counts) > 6:
        return None
    if kind == "text" and not all(_is_only(value, {"yes": YES, "no": NO}) for value in profile.counts):
        return None
    labels = _labels(profile)
    is_yes = {value: _yes(plain(f"{text} {value}")) for value, text in labels.items()}
    if None in (is_yes.get(value) for value in profile.counts) or not any(is_yes.values()):
        return None
    return Fit({"is_one_of": [value for value, yes in is_yes.items() if yes]})


def _yes(text: str) -> bool | None:
    if says(text, NO):
        return False
    return True if stems(text, YES) else None


def _translated(profile: Profile, words: Mapping[str, tuple[str, ...]], column: str) -> Fit | None:
    if profile.about.kind not in ("choice", "text") or len(profile.counts) > _MOST_OPTIONS:
        return None
    # A text with a few repeated values is a choice. Any other text may contain personal data.
    if profile.about.kind == "text" and (
        len(profile.values) < _REPEATED * len(profile.counts)
        or not all(_is_only(value, words) for value in profile.counts)
    ):
        return None
    labels = _labels(profile)
    ours = {value: found for value, text in labels.items() if (found := _word(text, value, words))}
    if not ours:
        return None
    known = sum(count for value, count in profile.counts.items() if all(one in ours for one in value.split(";")))
    table = {value: word for value, word in ours.items() if value != word}
    left = [value for value in dict.fromkeys(part for one in profile.counts for part in one.split(";"))
            if value not in ours]  # fmt: skip
    if profile.about.kind == "text":
        left = [shape(value) for value in left]
    note = f"not translated, meaning unknown: {', '.join(left[:6])}" if left else ""
    # A deal type not known as a renewal leaves its contract due. An unknown role only leaves the role empty.
    question = f"what does {' and '.join(left[:6])} mean? Options: {', '.join(words)}" if left else ""
    used = frozenset(ours[part] for one in profile.counts for part in one.split(";") if part in ours)
    share = known / len(profile.values) if profile.values else 0.0
    if share >= 0.85 or not profile.values or (column == "role" and share >= 0.5):
        return Fit({"values": table} if table else {}, note=note, words=used, known=share)
    return Fit({"values": table} if table else {}, question=question, words=used, known=share)


def _is_only(value: str, words: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether a text contains only our words. Any other word might be a person's name."""
    parts = plain(value).split()
    return all(any(stems(part, group) for group in words.values()) or part in FILLER_WORDS for part in parts)


def _word(label: str, value: str, words: Mapping[str, tuple[str, ...]]) -> str:
    for text in (plain(value), plain(label)):
        if text.replace(" ", "_") in words:
            return text.replace(" ", "_")
    # The first of several words in a label decides: "renewal with upsell" is a renewal.
    text = plain(label) if plain(label) else plain(value)
    for one in (text, plain(value)):
        for word, stems_ in words.items():
            if stems(one, stems_):
                return word
    return ""


def _labels(profile: Profile) -> dict[str, str]:
    """Return the options with their labels, plus values that are not among the options."""
    parts = (
        {part for value in profile.counts for part in value.split(";")} if len(profile.counts) <= _MOST_OPTIONS else ()
    )
    return {
        **dict(profile.about.options),
        **{one: one for one in sorted(parts) if one not in profile.about.options},
    }


def _text(profile: Profile) -> Fit | None:
    if profile.about.kind not in ("text", "number"):
        return None
    if not profile.values:
        return Fit()
    has_digits = sum(any(sign.isdigit() for sign in value) for value in profile.counts)
    return Fit() if has_digits >= 0.8 * len(profile.counts) and len(profile.counts) > 1 else None


def _choice(profile: Profile) -> Fit | None:
    if profile.about.kind == "choice" or (profile.about.kind == "text" and len(profile.counts) <= 12):
        return Fit()
    return None


def _reference(profile: Profile, ids: Collection[str]) -> Fit | None:
    if profile.about.kind not in ("text", "number", "reference") or not profile.values:
        return None
    hits = sum(str(value) in ids for value in profile.values)
    if hits >= 0.5 * len(profile.values):
        return Fit(note=f"{hits} of {len(profile.values)} values are ids in the sample")
    lengths = {len(one) for one in ids}
    if all(str(value).isalnum() and len(str(value)) in lengths for value in profile.values):
        return Fit(question=f"{hits} of its {len(profile.values)} values are ids in the sample: does it hold ids?")
    return None


_FITS: dict[str, Callable[[Profile], Fit | None]] = {
    "date": _date, "number": _number, "months": _months, "flag": _flag, "text": _text, "choice": _choice,
}  # fmt: skip
