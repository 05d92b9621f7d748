"""The command ``touches``: one message to many customers, as lists for the vendor's own mailing tool."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.cli import output
from include.common import clock, user

app = typer.Typer(
    help="Touches: one message to many customers, as lists for your own mailing tool.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="The touch.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_LIST = ("name", "version", "status", "hold_out", "day", "accounts", "listed", "excluded", "title", "file")
_COUNTS = ("touch", "day", "accounts", "listed", "excluded", "sha256")


@app.command("list")
def list_touches(as_json: AsJson = False) -> None:
    """Validate and list all touches with their lists of the last days_between days (touches.yaml), or the newest."""
    from include.config import files
    from include.decide.touches import lists
    from include.decide.touches.load import load
    from include.warehouse.engine import engine

    touches = load()
    with engine("reader").connect() as connection:
        recent = lists.recent(connection)
    rows = [
        {
            **(_counts(one) if one else {}),
            "name": name,
            "version": rule.file.version,
            "status": rule.file.status,
            "hold_out": rule.file.hold_out,
            "title": rule.file.title,
            "file": files.shown(rule.path),
        }
        for name, rule in touches.items()
        for one in recent.get(name) or (None,)
    ]
    output.emit(rows, _LIST, as_json=as_json)


@app.command("plan")
def plan(name: Name, as_json: AsJson = False) -> None:
    """Count what a touch would list today, also a draft, and whom it would not, by reason. Nothing is stored."""
    from include.decide.touches import lists

    _emit({name: lists.plan(name)}, as_json)


@app.command("make")
def make(as_json: AsJson = False) -> None:
    """Make today's list of each live touch, as the DAG list_touches does. A list that exists stays as it is."""
    from include.decide.touches import lists

    _emit(lists.make(), as_json)


@app.command("show")
def show(
    name: Name,
    day: Annotated[str, typer.Option("--day", help="Day of the list, such as 2026-11-16; the newest by default.")] = "",
) -> None:
    """Write a list as CSV, limited to what viewers.yaml lets your login see."""
    from include import config
    from include.pages import touches

    viewer = config.load().viewers.of(user.user())
    typer.echo(touches.csv(viewer, name, clock.parse_day(day, "--day") if day else None), nl=False)


def _emit(made: dict[str, Any], as_json: bool) -> None:
    rows = [_counts(one.list) for one in made.values() if one.list]
    output.emit(rows, _COUNTS, as_json=as_json)
    for name, one in made.items():
        if not one.list and not as_json:
            typer.echo(f"{name}: no list, {one.reason}")


def _counts(found: Any) -> dict[str, object]:
    from include.decide.touches import exclusions

    excluded = exclusions.in_order(found.n_excluded)
    return {
        "touch": found.touch,
        "day": found.day,
        "accounts": found.n_accounts,
        "listed": found.n_listed,
        "excluded": ", ".join(f"{reason} {n}" for reason, n in excluded) or "none",
        "sha256": found.sha256[:12],
    }
