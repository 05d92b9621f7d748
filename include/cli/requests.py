"""The command ``requests``: features that customers ask for, who asked, and what people decide on them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from include.cli import output
from include.common.user import user

app = typer.Typer(
    help="Requests for features by ARR due: enter, assign, merge, decide, and who asked.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="The request's name, such as dark_mode.")]
Note = Annotated[str, typer.Option("--note", help="Why; stored.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; today by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_DEMAND = (
    "request", "kind", "state", "n_accounts", "arr", "arr_due", "arr_at_risk", "lost_arr", "n_tickets", "n_entries",
    "first_asked", "last_asked",
)  # fmt: skip
_WHO = ("account_key", "account_name", "owner_name", "arr", "days_to_decision", "health_band", "n_asked", "last_asked")
_HINTS = ("proposal", "ticket_key", "request", "like_request", "cosine", "text", "like_text")


@app.command("list")
def list_requests(as_json: AsJson = False) -> None:
    """List requests, most ARR due in 180 days first."""
    from include.analyses import requests
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows = requests.listed(connection)
    output.emit(rows, _DEMAND, as_json=as_json)
    if not as_json and (lacking := requests.lacking(rows)):
        typer.echo(f"not available: {', '.join(lacking)}")


@app.command("who")
def list_accounts(name: Name, as_json: AsJson = False) -> None:
    """List the accounts that asked for a request, most ARR first."""
    from include.analyses import requests
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows = requests.who(connection, requests.name_of(name))
    output.emit(rows, _WHO, as_json=as_json)


@app.command("similar")
def list_similar(
    keep: Annotated[bool, typer.Option("--keep", help="First compare the newest tickets again.")] = False,
    as_json: AsJson = False,
) -> None:
    """List tickets to assign and requests to merge, since their texts are alike. Texts are masked."""
    from include.analyses import request_hints
    from include.warehouse.engine import engine

    if keep:
        with engine("builder").begin() as connection:
            request_hints.keep(connection)
    with engine("reader").connect() as connection:
        rows = request_hints.listed(connection)
    output.emit([{**row, "cosine": round(row["cosine"], 2)} for row in rows], _HINTS, as_json=as_json)


@app.command("add")
def add(
    name: Name,
    account: Annotated[str, typer.Option("--account", help="The account's key, or its id in a source: source:id.")],
    on: Day = None,
    note: Note = "",
) -> None:
    """Enter a request that an account made outside the desk."""
    from include import config
    from include.analyses import requests
    from include.common.errors import ConfigError

    asked_on = on.date() if on else config.today()
    _, unknown = requests.enter([requests.Entry(name, account, asked_on, note=note)], user())
    if unknown:
        raise ConfigError(f"unknown account {account}", cure="write source:id, such as crm:1001")
    typer.echo(f"{account} asks for {requests.name_of(name)}")


@app.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="CSV: request, account, asked_on, origin; optional: note.")],
) -> None:
    """Enter requests from a file, such as an export of your feedback tool. ``origin`` is the id there.

    Load a newer file at any time: rows that are stored already are left out, and one that moved to another request or
    account replaces the old one.
    """
    from include.analyses import request_file, requests

    n_new, unknown = requests.enter(request_file.read(file), user())
    typer.echo(f"{n_new} new or changed entries")
    if unknown:
        typer.echo(f"{len(unknown)} unknown accounts: {', '.join(unknown[:10])}")


@app.command("assign")
def assign(
    ticket: Annotated[str, typer.Argument(help="The ticket's key: source:id.")], name: Name, note: Note = ""
) -> None:
    """Assign a ticket to a request."""
    from include.analyses import requests

    requests.assign(ticket, name, user(), note)
    typer.echo(f"{ticket}: {requests.name_of(name)}")


@app.command("merge")
def merge(
    names: Annotated[list[str], typer.Argument(help="Requests that ask for the same.")],
    into: Annotated[str, typer.Option("--into", help="The request that they become.")],
    note: Note = "",
) -> None:
    """Merge requests into one. Who asked for them is told when it ships."""
    from include.analyses import requests

    typer.echo(f"merged into {requests.merge(names, into, user(), note)}")


@app.command("unmerge")
def unmerge(name: Name, note: Note = "") -> None:
    """Take a request out of the one that it was merged into."""
    from include.analyses import requests

    requests.unmerge(name, user(), note)
    typer.echo(f"{requests.name_of(name)} stands alone")


@app.command("set")
def set_state(
    name: Name,
    kind: Annotated[str, typer.Option("--kind", help="essential, individual or core.")] = "",
    state: Annotated[str, typer.Option("--state", help="open, planned, declined or shipped.")] = "",
    on: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day of shipping.")] = None,
    note: Note = "",
) -> None:
    """Set the type or the state of a request. Once it has shipped, CSMs get tasks to tell who asked."""
    from include.analyses import requests

    requests.decide(name, user(), kind=kind, state=state, shipped_on=on.date() if on else None, note=note)
    typer.echo(f"{requests.name_of(name)}: {', '.join(filter(None, (kind, state)))}")
