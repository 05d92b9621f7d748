"""``python -m include.cli identity``: what waits for an answer, and answering it."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output
from include.common import user

app = typer.Typer(help="Which account an id of the desk or the product means.", no_args_is_help=True)
Source = Annotated[str, typer.Argument(help="The connection that uses the id, such as support.")]
Id = Annotated[str, typer.Argument(help="The id there.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the answer.")]
By = Annotated[str, typer.Option("--by", help="Who says so; you by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_REVIEW = ("source", "id", "name", "records", "reason", "suggestions")
_COUNTS = (
    "source", "entity", "n_ids", "n_by_id", "n_by_domain", "n_by_answer", "n_nobodys", "n_unmatched", "unmatched_rate",
)  # fmt: skip
_NEXT = "It counts from the next build on: `python -m include.cli build`, or the DAG build_kpis within the hour."


@app.command("review")
def review_open(
    source: Annotated[str, typer.Option("--source", help="Only of this connection.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the ids that mean no account, with suggestions; nothing is taken without an answer."""
    from include.identity import review, suggest

    found = review.open_ids(source, limit)
    rows = [
        {
            "source": one.source,
            "id": one.source_id,
            "name": one.name,
            "records": one.n_records,
            "reason": one.reason,
            "suggestions": "; ".join(suggest.shown(one.suggestions)) or "-",
        }
        for one in found
    ]
    output.emit(rows, _REVIEW, as_json=as_json)
    if not found and not as_json:
        typer.echo("every id means an account, or is answered")


@app.command("match")
def match_id(
    source: Source,
    source_id: Id,
    account: Annotated[str, typer.Argument(help="The account, such as crm:1001.")],
    reason: Reason,
    by: By = "",
) -> None:
    """Answer that an id is this account."""
    from include.identity import answers

    answers.match(source, source_id, account, reason=reason, by=by or user.user())
    typer.echo(f"{source} {source_id} is {account}. {_NEXT}")


@app.command("unmatch")
def unmatch_id(
    source: Source,
    source_id: Id,
    reason: Reason,
    account: Annotated[str, typer.Option("--account", help="Not this account; without it: no customer's.")] = "",
    by: By = "",
) -> None:
    """Answer that an id is not an account, or no customer's at all."""
    from include.identity import answers

    answers.unmatch(source, source_id, account, reason=reason, by=by or user.user())
    typer.echo(f"{source} {source_id} is {f'not {account}' if account else 'no account'}. {_NEXT}")


@app.command("withdraw")
def withdraw_answer(source: Source, source_id: Id) -> None:
    """Withdraw what was answered to an id on the command line."""
    from include.identity import answers

    number = answers.withdraw(source, source_id)
    typer.echo(f"{number} answers taken back. {_NEXT}" if number else "nothing was answered there")


@app.command("status")
def show_status(as_json: AsJson = False) -> None:
    """Show per source how many ids mean an account and by which method, and where the CRM contradicts itself."""
    from include.identity import review

    output.emit(review.counts(), _COUNTS, as_json=as_json)
    if not as_json:
        for trouble in review.troubles():
            typer.echo(trouble)
