"""The command ``catalogue``: datasets, definitions and the events of the tracking plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from include.cli import output

app = typer.Typer(help="Owner, sensitivity and retention of each dataset.", invoke_without_command=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


@app.callback()
def datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List each dataset with its owner, sensitivity and retention."""
    if context.invoked_subcommand:
        return
    from include.operations import catalogue

    rows = [asdict(one) for one in catalogue.datasets()]
    output.emit(
        rows, ("name", "owner", "sensitivity", "personal", "kept_days", "daily_days", "used_by"), as_json=as_json
    )


@app.command("definitions")
def definitions(as_json: AsJson = False) -> None:
    """List metrics, health profiles, signals and playbooks with their versions."""
    from include.operations import catalogue

    rows = [asdict(one) for one in catalogue.definitions()]
    output.emit(rows, ("kind", "name", "title", "version", "owner", "since"), as_json=as_json)


@app.command("events")
def events(as_json: AsJson = False) -> None:
    """Compare the tracking plan with the events that arrive."""
    from include.operations import catalogue

    rows = [asdict(one) for one in catalogue.events()]
    columns = ("source", "event", "state", "owner", "feature", "counts_as", "properties", "first_day", "last_day")
    output.emit(rows, columns, as_json=as_json)
