"""The commands ``triage`` and ``analysis triage``: what tickets are about, and corrections by agents."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from include.cli import output

app = typer.Typer(help="Labels of tickets: unknown ones, and corrections.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


class View(StrEnum):
    mix = "mix"
    bugs = "bugs"
    questions = "questions"
    topics = "topics"


_COLUMNS = {
    View.mix: ("month", "label", "n_tickets", "share", "n_accounts", "repeat_rate"),
    View.bugs: ("about", "n_tickets", "n_accounts", "arr", "arr_due", "first_seen", "example"),
    View.questions: ("language", "about", "n_tickets", "n_accounts", "example_key", "example", "answer_key", "draft"),
    View.topics: ("about", "n_tickets", "n_accounts", "n_repeats", "proposal"),
}


def show(
    view: Annotated[View, typer.Argument(help="What to list. Bugs, questions and topics: of 28 days.")] = View.mix,
    keep: Annotated[bool, typer.Option("--keep", help="First label new tickets and find frequent questions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what customers write about. Texts are masked."""
    from include.analyses.triage import routes, store
    from include.warehouse.engine import engine

    if keep:
        begin = engine("builder").begin
        with begin() as connection:
            store.refit(connection)
        store.label_all(begin)
        with begin() as connection:
            routes.keep_questions(connection)
    with engine("reader").connect() as connection:
        if view == View.bugs:
            days = routes.last_days(connection)
            rows = routes.bugs(connection, *days) if days else []
        else:
            rows = {View.mix: routes.mix, View.questions: routes.questions, View.topics: routes.topics}[view](
                connection
            )
    output.emit(rows, _COLUMNS[view], as_json=as_json)


@app.command("unknown")
def list_unknown(
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="Number of tickets.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest unknown tickets with masked texts, to be corrected."""
    from include.analyses.triage import routes
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        rows = routes.unknown(connection, most)
    output.emit(rows, ("ticket_key", "created_day", "language", "p", "text"), as_json=as_json)


@app.command("correct")
def correct(
    ticket: Annotated[str, typer.Argument(help="The ticket's key: source:id.")],
    label: Annotated[str, typer.Argument(help="bug, how_to, management or request.")],
) -> None:
    """Label a ticket. The label stays, is listed with all human actions, and the model learns from it."""
    from include.analyses.triage import store
    from include.common.user import user
    from include.warehouse.engine import engine

    with engine("builder").begin() as connection:
        store.correct(connection, ticket, label, user())
    typer.echo(f"{ticket}: {label}")
