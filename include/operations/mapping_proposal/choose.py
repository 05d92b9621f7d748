"""Choose which property fills which column, with a confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from include.operations.mapping_proposal.fits import Fit, Rule, fit
from include.operations.mapping_proposal.names import LIKELY, SURE, has, plain, score
from include.operations.mapping_proposal.portal import Portal, Property
from include.operations.mapping_proposal.values import Profile, day, months, value_of
from include.operations.mapping_proposal.words import AVOID, KINDS, SOUGHT, Sought

Confidence = Literal["high", "medium", "unsure"]
_CLOSE = 0.1
# Words that a choice's options must translate to, to be recognised by its options alone; and the likeness it then gets.
_RECOGNISED_BY_OPTIONS = {"kind": {"new", "renewal"}, "role": {"decision_maker", "user"}}
_OPTIONS_LIKENESS = 0.75
_SAME = 0.95


@dataclass(frozen=True)
class Decision:
    """The proposal for one column.

    Args:
        property: The property; "" if the column has the same value in every row.
        rule: The other keys of the column in the mapping file.
        confidence: An ``unsure`` decision is written as a comment, with the question.
        question: The question that a person must answer.
    """

    entity: str
    column: str
    property: str
    rule: Rule = field(default_factory=dict)
    confidence: Confidence = "high"
    evidence: str = ""
    question: str = ""

    def as_question(self, question: str) -> Decision:
        """Return the decision as unsure, with a question."""
        return replace(self, confidence="unsure", question=question)


@dataclass(frozen=True)
class Candidate:
    """A property that may fill a column.

    Args:
        fit: The rule by which it fits.
        likeness: How well its name matches.
    """

    sought: Sought
    profile: Profile
    fit: Fit
    likeness: float

    @property
    def is_usable(self) -> bool:
        """Whether it can be mapped at all."""
        # A property that is rarely filled may be empty in the sample.
        is_empty = self.profile.is_dead and not (self.sought.is_rare and (self.profile.values or self.likeness >= SURE))
        return not is_empty and not self.profile.is_stale and not self.fit.question and self.likeness >= LIKELY

    @property
    def worth(self) -> float:
        """How good it is: its name, and its share of filled values."""
        worth = self.likeness * (0.6 + 0.4 * self.profile.share) * (0.93 if self.fit.is_weak else 1.0)
        return worth * (1.5 if self.marks_renewals else 1.0)

    @property
    def marks_renewals(self) -> bool:
        """Whether it is a deal type that marks renewals, not just new customers."""
        values = [plain(value) for value in self.profile.counts]
        return self.sought.holds == "kind" and any(word in value for value in values for word in KINDS["renewal"])


def choose(portal: Portal) -> list[Decision]:
    """Return a decision for each column that has a candidate property."""
    decisions: list[Decision] = []
    for entity in portal.schema:
        found = {sought: candidates(portal, sought) for sought in SOUGHT if sought.entity == entity}
        taken: set[str] = set()
        # A property fills the column that it fits best.
        best = sorted(
            ((one.worth, one) for ones in found.values() for one in ones if one.is_usable),
            key=lambda pair: -pair[0],
        )
        chosen: dict[Sought, Candidate] = {}
        for _, one in best:
            if one.sought not in chosen and one.profile.about.name not in taken:
                chosen[one.sought] = one
                taken.add(one.profile.about.name)
        for sought, ones in found.items():
            if sought in chosen:
                rivals = [o for o in ones if o is not chosen[sought] and o.profile.about.name not in taken]
                decisions.append(_decided(chosen[sought], rivals))
            elif left := [one for one in ones if one.profile.about.name not in taken]:
                decisions += _left_out(left)
    return decisions


def candidates(portal: Portal, sought: Sought) -> list[Candidate]:
    """Return the properties whose name and values may match a column, best first."""
    rows = portal.relevant(sought.entity)
    ids: frozenset[str] = frozenset()
    if sought.holds in ("deal", "line"):
        ids = frozenset(row.id for row in portal.rows.get(sought.entity, []))
    found = []
    for property_ in portal.schema[sought.entity].values():
        likeness = score(property_, sought)
        if likeness < LIKELY / 2 and sought.holds not in _RECOGNISED_BY_OPTIONS:
            continue
        profile = Profile(property_, rows, portal.today)
        if (how := fit(sought, profile, ids)) is None:
            continue
        if not likeness and _is_recognised(sought, property_, how):
            likeness = _OPTIONS_LIKENESS
        if likeness >= LIKELY / 2:
            found.append(Candidate(sought, profile, how, likeness))
    return sorted(found, key=lambda one: -one.worth)


def _is_recognised(sought: Sought, property_: Property, how: Fit) -> bool:
    """Return whether a choice's options identify it, whatever its name."""
    enough = _RECOGNISED_BY_OPTIONS.get(sought.holds)
    text = f"{plain(property_.label)} {plain(property_.name)}"
    return enough is not None and how.known >= 0.9 and enough <= how.words and not has(text, (*AVOID, *sought.avoid))


def _decided(one: Candidate, rivals: Sequence[Candidate]) -> Decision:
    profile, evidence = one.profile, [one.profile.evidence()]
    confidence: Confidence = "high" if one.likeness >= SURE and not one.fit.is_weak else "medium"
    if one.likeness < SURE:
        evidence.append(f"its label is {label(profile)}")
    if one.fit.note:
        evidence.append(one.fit.note)
    question = ""
    for rival in rivals:
        name = rival.profile.about.name
        if rival.profile.is_dead or rival.profile.is_stale:
            evidence.append(f"not {name}, {_why_unusable(rival.profile)}")
        elif rival.fit.question:
            evidence.append(f"not {name}: {rival.fit.question}")
        elif one.marks_renewals and not rival.marks_renewals:
            evidence.append(f"not {name}, which has no renewals")
        elif rival.likeness >= LIKELY and one.likeness - rival.likeness < _CLOSE:
            same = _same(profile, rival.profile)
            if same >= _SAME:
                evidence.append(f"{name} has the same values")
            elif rival.profile.share >= 0.5 * profile.share:
                confidence = "unsure"
                question = (
                    f"{profile.about.name} or {name} ({rival.profile.evidence()})? They agree in {same:.0%} of records"
                )
                break
            else:
                evidence.append(f"not {name}, {rival.profile.evidence()}")
    return Decision(
        one.sought.entity,
        one.sought.column,
        profile.about.name,
        one.fit.rule,
        confidence,
        "; ".join(evidence),
        question,
    )


def _left_out(ones: Sequence[Candidate]) -> list[Decision]:
    """Return the best of several unusable candidates, as a question."""
    one = max(ones, key=lambda each: (bool(each.fit.question), each.likeness))
    if one.likeness < LIKELY and not one.profile.values:
        return []
    profile, sought = one.profile, one.sought
    if sought.column.startswith("~"):
        return []
    # A standard HubSpot property that a portal does not use is not worth a question.
    if profile.is_dead and (sought.column not in _WANTED or not profile.about.is_own):
        return []
    if one.fit.question:
        question = one.fit.question
    elif profile.is_dead or profile.is_stale:
        question = f"{_why_unusable(profile)}: is this kept in another property?"
    else:
        question = f"its label is {label(profile)}: does it hold this value?"
    name = profile.about.name
    return [Decision(sought.entity, sought.column, name, one.fit.rule, "unsure", profile.evidence(), question)]


# Columns for which an existing but empty property is worth mentioning.
_WANTED = frozenset(
    ("contract_arr", "renewal_date", "opportunity_type", "contract_number", "notice_months", "term_start", "term_end",
     "term_months", "role", "is_auto_renew", "tier")
)  # fmt: skip


def label(profile: Profile) -> str:
    """Return a property's label in quotation marks, without characters that would break a comment."""
    return f'"{" ".join(profile.about.label.split())[:60]}"'


def _why_unusable(profile: Profile) -> str:
    if profile.is_stale:
        return f"whose newest date is {max(profile.days)}"
    return "which is empty" if not profile.values else f"filled in only {profile.share:.1%}"


def _same(one: Profile, other: Profile) -> float:
    """Return the share of rows on which two properties agree, among rows that have both."""
    names = one.about.name, other.about.name
    pairs = [(str(a), str(b)) for row in one.rows if (a := value_of(row, names[0])) and (b := value_of(row, names[1]))]
    return sum(_agree(a, b) for a, b in pairs) / len(pairs) if pairs else 0.0


def _agree(one: str, other: str) -> bool:
    """Return whether two values are equal lengths, or dates at most one day apart: last day and day after."""
    if one[:10] == other[:10]:
        return True
    lengths = months(one), months(other)
    if lengths[0] is not None and lengths[0] == lengths[1]:
        return True
    days = day(one), day(other)
    return days[0] is not None and days[1] is not None and abs((days[0] - days[1]).days) <= 1
