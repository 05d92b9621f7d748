"""The command ``identity``: ids without an account, and answers about them."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output
from include.common import user

app = typer.Typer(help="Match ids of support desk and product to accounts.", no_args_is_help=True)
Source = Annotated[str, typer.Argument(help="Source of the id, such as support.")]
Id = Annotated[str, typer.Argument(help="The id at that source.")]
Reason = Annotated[str, typer.Option("--reason", help="Reason; stored with the answer.")]
By = Annotated[str, typer.Option("--by", help="Who decided it; you by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_REVIEW = ("source", "id", "name", "records", "reason", "suggestions")
_COUNTS = (
    "source", "entity", "n_ids", "n_by_id", "n_by_domain", "n_by_answer", "n_no_account", "n_unmatched",
    "unmatched_rate",
)  # fmt: skip
_NEXT = "It takes effect with the next build: `python -m include.cli build`, or the DAG build_kpis within an hour."


@app.command("review")
def review_open(
    source: Annotated[str, typer.Option("--source", help="Only of this connection.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="Maximum number of rows.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List ids without an account, with suggestions. A suggestion is never used without an answer."""
    from include.identity import review, suggest

    found = review.open_ids(source, limit)
    rows = [
        {
            "source": one.source,
            "id": one.source_id,
            "name": one.name,
            "records": one.n_records,
            "reason": one.reason,
            "suggestions": "; ".join(suggest.suggestion_lines(one.suggestions)) or "-",
        }
        for one in found
    ]
    output.emit(rows, _REVIEW, as_json=as_json)
    if not found and not as_json:
        typer.echo("every id is matched or has an answer")


@app.command("match")
def match_id(
    source: Source,
    source_id: Id,
    account: Annotated[str, typer.Argument(help="The account, such as crm:1001.")],
    reason: Reason,
    by: By = "",
) -> None:
    """Match an id to an account."""
    from include.identity import answers

    answers.match(source, source_id, account, reason=reason, by=by or user.user())
    typer.echo(f"{source} {source_id} is {account}. {_NEXT}")


@app.command("unmatch")
def unmatch_id(
    source: Source,
    source_id: Id,
    reason: Reason,
    account: Annotated[str, typer.Option("--account", help="The account; without it, no account at all.")] = "",
    by: By = "",
) -> None:
    """Record that an id does not belong to an account, or belongs to no customer."""
    from include.identity import answers

    answers.unmatch(source, source_id, account, reason=reason, by=by or user.user())
    typer.echo(f"{source} {source_id} is {f'not {account}' if account else 'no account'}. {_NEXT}")


@app.command("withdraw")
def withdraw_answer(source: Source, source_id: Id) -> None:
    """Withdraw the answers about an id that were given on the command line."""
    from include.identity import answers

    number = answers.withdraw(source, source_id)
    typer.echo(f"{number} answers withdrawn. {_NEXT}" if number else "there is no command-line answer to withdraw")


@app.command("status")
def show_status(as_json: AsJson = False) -> None:
    """Count matched ids per source and method, and list contradictions in the CRM."""
    from include.identity import review

    output.emit(review.counts(), _COUNTS, as_json=as_json)
    if not as_json:
        for contradiction in review.contradictions():
            typer.echo(contradiction)
