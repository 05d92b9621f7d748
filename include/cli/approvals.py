"""The commands ``approvals`` and ``undo``."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output
from include.common import user
from include.outbox import approvals

app = typer.Typer(help="Actions above the caps of a run, which wait for approval.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
Note = Annotated[str, typer.Option("--note", help="Reason; stored with the answer.")]
_COLUMNS = (
    "approval_id",
    "state",
    "n_actions",
    "n_accounts",
    "reason",
    "asked_at",
    "expires_at",
    "answered_by",
    "authors",
)
_ACTIONS = ("channel", "rule", "step", "account_key", "recipient", "subject", "deadline", "state")


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Include answered and expired ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """List open approvals."""
    states = ("open", "approved", "rejected", "expired") if everything else ("open",)
    output.emit([vars(found) for found in approvals.find(states)], _COLUMNS, as_json=as_json)


@app.command()
def show(approval_id: str, as_json: AsJson = False) -> None:
    """Show one approval with its actions."""
    found = approvals.get(approval_id)
    if not as_json:
        typer.echo(f"{found.approval_id} is {found.state}: {found.reason}; until {found.expires_at:%Y-%m-%d %H:%M} UTC")
    output.emit(approvals.listed(approval_id), _ACTIONS, as_json=as_json)


@app.command()
def approve(approval_id: str, note: Note = "") -> None:
    """Approve the actions. Each still has to pass the gate. Authors of the change may not approve."""
    _answer(approval_id, "approved", note)


@app.command()
def reject(approval_id: str, note: Note = "") -> None:
    """Reject all actions."""
    _answer(approval_id, "rejected", note)


@app.command("leave-out")
def leave_out(approval_id: str, account: str, note: Note = "") -> None:
    """Reject the actions of one account. The others stay open."""
    n = approvals.leave_out(approval_id, account, user.user(), note)
    typer.echo(f"{account} is left out of {approval_id}: {n} actions rejected")


def undo(
    run: Annotated[str, typer.Option("--run", help="Id of the decision; lists recent ones by default.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Reason; stored with each message and task.")] = "",
    as_json: AsJson = False,
) -> None:
    """Undo the planned and sent actions of a run where possible, and list the others."""
    from include.deliver import deliver
    from include.deliver import undo as undoing

    if not run:
        output.emit(undoing.runs(), ("run", "planned_at", "actions", "sent", "taken_back"), as_json=as_json)
        return
    undoing.recall(run, user.user(), reason)
    try:
        is_busy = deliver.take_back().is_busy
    finally:
        output.emit(undoing.listed(run), undoing.SHOWN, as_json=as_json)
    if is_busy:
        typer.echo("another sender is running; it, or the next run of deliver, undoes the rest", err=True)


def _answer(approval_id: str, answer: approvals.Answer, note: str) -> None:
    found = approvals.answer(approval_id, answer, (user.user(),), note)
    typer.echo(f"{found.approval_id} is {found.state}: {found.n_actions} actions on {found.n_accounts} accounts")
