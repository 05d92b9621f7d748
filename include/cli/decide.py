"""What the command ``decide`` does and says."""

from __future__ import annotations

import secrets

from include.common import clock, formatting, user
from include.decide.decide import Decision, decide
from include.deliver.task_readback import ReadBack, read_back


def decide_now(dry_run: bool) -> Decision:
    """Read back what people answered in their tasks, and decide under a name of its own."""
    answers = ReadBack() if dry_run else read_back()
    name = f"cli-{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    decision = decide(name, dry_run=dry_run, by=user.user())
    decision.problems += answers.problems
    return decision


def decided(decision: Decision) -> str:
    """Return a decision as a sentence."""
    if decision.because:
        return f"nothing was decided: {decision.because}"
    parts = [
        f"{formatting.count(decision.n_planned, 'action')} planned",
        *(
            f"{number} {what}"
            for number, what in (
                (decision.n_parked, f"above the caps, waiting for approval {decision.approval_id}"),
                (decision.n_suppressed, "suppressed by dry run"),
                (decision.n_refreshed, "brought up to date"),
                (decision.n_expired, "passed over"),
                (decision.n_found_outside, "found outside"),
                (decision.n_held, "held by the gate"),
                (decision.n_opened, "signals opened"),
                (decision.n_closed, "signals closed"),
                (decision.n_answered, "closed by people"),
            )
            if number
        ),
    ]
    looked_at = f"of {decision.as_of}, {formatting.count(decision.n_renewals, 'open renewal')}"
    written = " (dry run: nothing was written)" if decision.is_dry_run else ""
    return f"{looked_at}: {', '.join(parts)}{written}"
