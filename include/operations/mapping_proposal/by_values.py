"""Recognise properties by their values: two dates whole months apart, a term length, ARR next to MRR."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations

from include.operations.mapping_proposal.amounts import agree
from include.operations.mapping_proposal.choose import Decision
from include.operations.mapping_proposal.names import has, plain
from include.operations.mapping_proposal.portal import Portal
from include.operations.mapping_proposal.terms import whole_months
from include.operations.mapping_proposal.values import Profile, day, number, value_of
from include.operations.mapping_proposal.words import AVOID

_FEWEST, _SHARE, _FILLED = 10, 0.85, 0.3
# Only this many properties of one kind, the best filled, are compared pairwise.
_MOST = 25
_DAY = timedelta(days=1)
# Entity -> its start and end columns.
_DATES = {
    "opportunity": ("term_start", "term_end"), "contract_line": ("term_start", "term_end"),
    "account": ("contract_start", "renewal_date"),
}  # fmt: skip
# Words in a name that rule a property out.
_OTHER_MEANINGS = (
    "trial",
    "project",
    "projekt",
    "试用",
    "项目",
    "notice",
    "kundigung",
    "frist",
    "deadline",
    "warranty",
    "garantie",
)


def dates(portal: Portal, entity: str, known: dict[str, str]) -> list[Decision]:
    """Propose start and end: custom date properties that are whole months apart, where no name decides.

    Args:
        portal: The sample.
        known: Column -> property, for decided columns.
    """
    start, end = _DATES[entity]
    if end in known or "term_months" in known:
        return []
    profiles = _own(portal, entity, known, lambda one: one.about.kind == "date" and not one.is_stale)
    firsts = _of(portal, entity, known.get(start)) or profiles
    pairs = []
    for one in firsts:
        for other in profiles:
            if one.about.name != other.about.name and (found := _apart(one, other)):
                pairs.append((found[0], found[1], one.about.name, other.about.name))
    if not pairs:
        return []
    share, n, first, last = max(pairs)
    rivals = [pair for pair in pairs if pair[2:] != (first, last) and pair[0] > share - 0.1]
    evidence = f"by its values: in {share:.0%} of {n} records {first} and {last} are whole months apart"
    made = [Decision(entity, column, name, {}, "medium", evidence) for column, name in ((start, first), (end, last))
            if column not in known]  # fmt: skip
    if rivals:
        others = ", ".join(f"{pair[2]} and {pair[3]}" for pair in rivals[:3])
        return [
            one.as_question(f"{evidence}; so are {others}: which are the start and end of the contract?")
            for one in made
        ]
    return made


def length(portal: Portal, entity: str, known: dict[str, str]) -> list[Decision]:
    """Propose the term length: a custom number that equals the months from start to end, where no name decides."""
    start, end = _DATES[entity]
    if entity == "account" or "term_months" in known or start not in known or end not in known:
        return []
    for one in _own(portal, entity, known, lambda profile: profile.about.kind == "number"):
        hits = []
        for row in one.rows:
            first, last = day(value_of(row, known[start])), day(value_of(row, known[end]))
            given = number(value_of(row, one.about.name))
            if first and last and given is not None:
                hits.append(given in (whole_months(first, last), whole_months(first, last + _DAY)))
        if len(hits) >= _FEWEST and sum(hits) >= 0.95 * len(hits) and len(set(one.numbers)) > 1:
            evidence = f"by its values: in {sum(hits)} of {len(hits)} records it equals the months from start to end"
            return [Decision(entity, "term_months", one.about.name, {}, "medium", evidence)]
    return []


def yearly_and_monthly(portal: Portal, known: dict[str, str]) -> list[Decision]:
    """Propose companies' ARR: a custom number that is twelve times another one (MRR), where no name decides."""
    if "contract_arr" in known or "contract_mrr" in known or "renewal_date" not in known:
        return []
    found = []
    profiles = _own(portal, "account", known, lambda profile: profile.about.kind == "number")
    for one, other in permutations(profiles, 2):
        pairs = [(number(value_of(row, one.about.name)), number(value_of(row, other.about.name))) for row in one.rows]
        both = [(a, b) for a, b in pairs if a and b]
        if len(both) >= _FEWEST and sum(agree(a, 12 * b) for a, b in both) >= 0.9 * len(both):
            found.append((one.about.name, other.about.name, len(both)))
    if len(found) != 1:
        return []
    year, month, n = found[0]
    evidence = f"by its values: in {n} records {year} is twelve times {month}"
    return [Decision("account", "contract_arr", year, {}, "medium", evidence)]


def _own(portal: Portal, entity: str, known: dict[str, str], is_meant: Callable[[Profile], bool]) -> Sequence[Profile]:
    rows = portal.relevant(entity)
    found = [
        Profile(one, rows, portal.today)
        for one in portal.schema[entity].values()
        if one.is_own
        and one.name not in known.values()
        and not has(f"{plain(one.label)} {plain(one.name)}", (*AVOID, *_OTHER_MEANINGS))
    ]
    filled = [one for one in found if one.share >= _FILLED and is_meant(one)]
    return sorted(filled, key=lambda one: -one.share)[:_MOST]


def _of(portal: Portal, entity: str, name: str | None) -> list[Profile]:
    return [Profile(portal.schema[entity][name], portal.relevant(entity), portal.today)] if name else []


def _apart(one: Profile, other: Profile) -> tuple[float, int] | None:
    """Return the share of rows whose dates are whole months apart, and the number of rows with both.

    None if there are too few rows, or if the dates are mostly less than a quarter apart.
    """
    months, n = [], 0
    for row in one.rows:
        first, last = day(value_of(row, one.about.name)), day(value_of(row, other.about.name))
        if first and last:
            n += 1
            whole = whole_months(first, last) or whole_months(first, last + _DAY) if last > first else None
            months += [whole] if whole else []
    if n < _FEWEST or len(months) < _SHARE * n or statistics.median(months) < 3 or len(set(one.days)) < 5:
        return None
    return len(months) / n, n
