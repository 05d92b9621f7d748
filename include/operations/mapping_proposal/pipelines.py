"""Finds the pipelines whose deals are renewals."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from include.operations.mapping_proposal.choose import Confidence
from include.operations.mapping_proposal.names import plain, stems
from include.operations.mapping_proposal.portal import Portal
from include.operations.mapping_proposal.values import day
from include.operations.mapping_proposal.words import RENEWAL_PIPELINE

_FEWEST = 5


@dataclass(frozen=True)
class RenewalPipeline:
    """A pipeline whose deals are renewals.

    Args:
        id: As deals carry it.
        label: Its name.
        confidence: How sure that is.
        evidence: Why.
    """

    id: str
    label: str
    confidence: Confidence
    evidence: str


def renewal_pipelines(portal: Portal) -> list[RenewalPipeline]:
    """Return the pipelines that are named so, else those in which nearly every deal follows another one."""
    follow = _following(portal)
    found = []
    for one in portal.pipelines:
        n, after = follow.get(one.id.lower(), (0, 0))
        said = (
            f"{after} of its {n} won deals follow an earlier one of their company" if n else "no won deal in the sample"
        )
        if stems(plain(one.label), RENEWAL_PIPELINE):
            is_odd = n >= _FEWEST and after < 0.3 * n
            found.append(RenewalPipeline(one.id, one.label, "medium" if is_odd else "high", f"by its name; {said}"))
    if found or len(portal.pipelines) < 2:
        return found
    shares = {one.id: follow.get(one.id.lower(), (0, 0)) for one in portal.pipelines}
    high = [
        one for one in portal.pipelines if shares[one.id][0] >= _FEWEST and shares[one.id][1] >= 0.9 * shares[one.id][0]
    ]
    low = [
        one for one in portal.pipelines if shares[one.id][0] >= _FEWEST and shares[one.id][1] <= 0.5 * shares[one.id][0]
    ]
    if not high or not low:
        return []
    told = {
        one.id: "{1} of its {0} won deals follow an earlier one of their company".format(*shares[one.id])
        for one in high
    }
    return [RenewalPipeline(one.id, one.label, "medium", told[one.id]) for one in high]


def _following(portal: Portal) -> dict[str, tuple[int, int]]:
    """Return pipeline -> won deals of companies, and those after another won deal of theirs."""
    by_company: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for deal in portal.won_deals():
        closed = day(deal.values.get("closedate") or deal.values.get("CloseDate"))
        if deal.parent and closed:
            by_company[deal.parent].append((closed, _pipeline(deal.values)))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for deals in by_company.values():
        first = min(closed for closed, _ in deals)
        for closed, pipeline in deals:
            counts[pipeline][0] += 1
            counts[pipeline][1] += (closed - first).days > 60
    return {pipeline: (n, after) for pipeline, (n, after) in counts.items()}


def _pipeline(values: object) -> str:
    get = values.get  # type: ignore[attr-defined]
    record_type = get("RecordType")
    named = record_type.get("DeveloperName") if isinstance(record_type, dict) else None
    return str(get("pipeline") or named or "").lower()
