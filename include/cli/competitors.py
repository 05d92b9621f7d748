"""The command ``competitors``: who names them, wins and losses, reasons, and what answers them."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output

app = typer.Typer(help="The competitor register: wins, losses, reasons and answers.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_REGISTER = (
    "competitor", "n_accounts", "arr", "arr_due", "last_named", "n_won", "n_lost", "win_rate", "n_lost_to", "arr_kept",
    "arr_lost", "owner", "reviewed_on",
)  # fmt: skip
_REASONS = ("competitor", "lost_reason", "n_lost", "arr_lost", "last_lost", "answer")


@app.command("list")
def list_competitors(as_json: AsJson = False) -> None:
    """List competitors, most ARR due among the customers that named it in 90 days first."""
    from include.analyses import competitors
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows, lacking = competitors.listed(connection), competitors.lacking(connection)
    output.emit(rows, _REGISTER, as_json=as_json)
    if lacking and not as_json:
        typer.echo(f"not available: {', '.join(lacking)}")


@app.command("reasons")
def list_reasons(
    open_only: Annotated[bool, typer.Option("--unanswered", help="Only those of two losses without answer.")] = False,
    as_json: AsJson = False,
) -> None:
    """List why deals of a year were lost in which a competitor was named, and what answers it."""
    from include.analyses import competitors
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows = competitors.reasons(connection)
    output.emit(competitors.unanswered(rows) if open_only else rows, _REASONS, as_json=as_json)
