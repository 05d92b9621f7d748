"""Find the pipelines whose deals are renewals."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from include.operations.mapping_proposal.choose import Confidence
from include.operations.mapping_proposal.names import plain, stems
from include.operations.mapping_proposal.portal import Portal, Row
from include.operations.mapping_proposal.values import day, value_of
from include.operations.mapping_proposal.words import RENEWAL_PIPELINE

_FEWEST = 5


@dataclass(frozen=True)
class RenewalPipeline:
    """A pipeline whose deals are renewals.

    Args:
        id: The id used in deals.
        confidence: Of the finding.
    """

    id: str
    label: str
    confidence: Confidence
    evidence: str


def renewal_pipelines(portal: Portal) -> list[RenewalPipeline]:
    """Return the pipelines named as renewals, else those in which nearly every deal follows another one."""
    follow = _following(portal)
    found = []
    for one in portal.pipelines:
        n, after = follow.get(one.id.lower(), (0, 0))
        if stems(plain(one.label), RENEWAL_PIPELINE):
            is_odd = n >= _FEWEST and after < 0.3 * n
            confidence: Confidence = "medium" if is_odd else "high"
            found.append(RenewalPipeline(one.id, one.label, confidence, f"by its name; {_in_words(n, after)}"))
    if found or len(portal.pipelines) < 2:
        return found
    counted = [(one, *follow.get(one.id.lower(), (0, 0))) for one in portal.pipelines]
    busy = [(one, n, after) for one, n, after in counted if n >= _FEWEST]
    if not any(after <= 0.5 * n for _, n, after in busy):
        return []
    return [
        RenewalPipeline(one.id, one.label, "medium", _in_words(n, after)) for one, n, after in busy if after >= 0.9 * n
    ]


def _in_words(n: int, after: int) -> str:
    return (
        f"{after} of its {n} won deals follow an earlier deal of the same company" if n else "no won deal in the sample"
    )


def _following(portal: Portal) -> dict[str, tuple[int, int]]:
    """Return pipeline -> number of won deals, and of those that follow the company's first won deal."""
    by_company: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for deal in portal.won_deals():
        closed = day(deal.values.get("closedate") or deal.values.get("CloseDate"))
        if deal.parent and closed:
            by_company[deal.parent].append((closed, _pipeline(deal)))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for deals in by_company.values():
        first = min(closed for closed, _ in deals)
        for closed, pipeline in deals:
            counts[pipeline][0] += 1
            counts[pipeline][1] += (closed - first).days > 60
    return {pipeline: (n, after) for pipeline, (n, after) in counts.items()}


def _pipeline(deal: Row) -> str:
    return str(value_of(deal, "pipeline") or value_of(deal, "RecordType.DeveloperName") or "").lower()
