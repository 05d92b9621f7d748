"""The commands ``decide`` and ``decide explain``."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from include.cli import output as console
from include.common import clock, formatting, user
from include.common.errors import ConfigError

if TYPE_CHECKING:  # slow to import, and other commands do not need it
    from include.decide.decide import Decision
    from include.decide.explain.read import Explanation

app = typer.Typer(
    help="Evaluate all rules on the newest built day and plan messages and tasks. Sends nothing.",
    invoke_without_command=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_COLUMNS = ("rule", "subject", "outcome", "reasons", "text")


@app.callback()
def decide_newest(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the decision without writing it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate all rules on the newest built day and plan messages and tasks. Sends nothing."""
    if context.invoked_subcommand:
        if dry_run or as_json:
            raise ConfigError("--dry-run and --json must come after `explain`", cure="move them after `explain`")
        return
    found = decide_now(dry_run)
    if as_json:
        typer.echo(console.to_json(found), nl=False)
    else:
        if found.planned:
            console.emit(found.planned, ("channel", "rule", "step", "recipient", "subject", "state"))
        typer.echo(decided(found))
    if found.problems:
        raise ConfigError("; ".join(found.problems), cure="fix them and decide again; all other rules were decided")


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="The account's key: source and id, such as crm:1001.")],
    signal: Annotated[
        str, typer.Option("--signal", help="Only this signal or playbook; renewal for the renewal ladder.")
    ] = "",
    day: Annotated[str, typer.Option("--day", help="A day of the last 30; the last decision by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show why each signal, reminder and playbook did or did not open for an account."""
    from include.decide.explain import read

    found = read.explain(account, signal, clock.parse_time(day, "--day").date() if day else None)
    rows = explained(found)
    if as_json:
        typer.echo(console.to_json({**asdict(found), "lines": rows}), nl=False)
        return
    console.emit(rows, _COLUMNS, title=f"{found.account_key}, decided on {found.day}, data as of {found.as_of}")


def explained(found: Explanation) -> list[dict[str, Any]]:
    """Return one row per rule and subject."""
    return [
        {
            "rule": f"{line.rule} {line.step}".strip(),
            "type": line.type,
            "subject": line.subject_id,
            "outcome": line.outcome,
            "reasons": ",".join(why.reason for why in line.why),
            "text": line.text,
            "why": [asdict(why) for why in line.why],
            "parts": [asdict(part) for part in line.parts],
        }
        for line in found.lines
    ]


def decide_now(dry_run: bool) -> Decision:
    """Read the answers back from the CRM's tasks, then decide under a new decision id."""
    from include.decide.decide import decide
    from include.deliver.task_readback import ReadBack, read_back

    answers = ReadBack() if dry_run else read_back()
    name = f"cli-{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    decision = decide(name, dry_run=dry_run, by=user.user())
    decision.problems += answers.problems
    return decision


def decided(decision: Decision) -> str:
    """Return a decision as a sentence."""
    if decision.reason:
        return f"nothing was decided: {decision.reason}"
    parts = [
        f"{formatting.count(decision.n_planned, 'action')} planned",
        *(
            f"{number} {label}"
            for number, label in (
                (decision.n_parked, f"above the caps, waiting for approval {decision.approval_id}"),
                (decision.n_suppressed, "suppressed by dry run"),
                (decision.n_refreshed, "updated"),
                (decision.n_expired, "passed over"),
                (decision.n_found_outside, "already in the outside system"),
                (decision.n_on_hold, "on hold"),
                (decision.n_opened, "signals opened"),
                (decision.n_closed, "signals closed"),
                (decision.n_answered, "closed by CSMs"),
            )
            if number
        ),
    ]
    scope = f"{decision.as_of}, {formatting.count(decision.n_renewals, 'open renewal')}"
    written = " (dry run: nothing was written)" if decision.is_dry_run else ""
    return f"{scope}: {', '.join(parts)}{written}"
