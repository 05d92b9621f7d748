"""Compare a proposal with the right mapping of a portal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from include.operations.mapping_proposal.choose import Decision
from include.operations.mapping_proposal.propose import Proposal, propose
from include.operations.mapping_proposal.words import SOUGHT
from tests.operations.mapping_proposal.world import Case

_WATCHED = {(one.entity, one.column) for one in SOUGHT if not one.column.startswith("~")} | {
    ("contract_line", "is_recurring"), ("contract_line", "amount_per"), ("opportunity", "amount_per")
}  # fmt: skip


@dataclass
class Measured:
    """The accuracy of a proposal: right columns, missing ones, and wrong active ones."""

    case: Case
    proposal: Proposal
    right: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    n: int = 0

    @property
    def share(self) -> float:
        """Share of expected columns, ways and pipelines that are right."""
        return len(self.right) / self.n if self.n else 0.0

    def __str__(self) -> str:
        """Return one line of the table."""
        rest = "; ".join(filter(None, (f"missed {', '.join(self.missed)}" if self.missed else "",
                                       f"WRONG {', '.join(self.wrong)}" if self.wrong else "")))  # fmt: skip
        return f"{self.case.name:34} {len(self.right):3} of {self.n:3}  {self.share:5.0%}  {rest}"


def measure(case: Case) -> Measured:
    """Measure the accuracy of the proposal for a portal."""
    proposal = propose(case.portal)
    found = Measured(case, proposal)
    for place in sorted(_WATCHED | set(case.columns)):
        wanted = case.columns.get(place)
        got = proposal.of(*place)
        name = ".".join(place)
        found.n += wanted is not None
        if wanted is None:
            found.wrong += [f"{name}={_written(got)}"] if got else []
        elif got is None:
            found.missed.append(name)
        elif _written(got) == (wanted if isinstance(wanted, dict) else {"property": wanted}):
            found.right.append(name)
        else:
            found.wrong.append(f"{name}={_written(got)}")
    _compare(
        found,
        "ways",
        "".join(sorted(one.letter for one in proposal.storage if one.is_used)),
        "".join(sorted(case.ways)),
    )
    _compare(found, "renewal_pipelines", tuple(one.id for one in proposal.pipelines), case.renewal_pipelines)
    return found


def _compare(found: Measured, name: str, got: Any, wanted: Any) -> None:
    found.n += 1
    (found.right if got == wanted else found.wrong).append(name if got == wanted else f"{name}={got}")


def _written(decision: Decision) -> dict[str, Any]:
    return ({"property": decision.property} if decision.property else {}) | decision.rule
