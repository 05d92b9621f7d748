"""The command ``renewals``: the brief of a renewal, uncertain continuations of terms, and answers about them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from include.cli import output
from include.common import user

app = typer.Typer(
    help="Renewals: briefs, uncertain continuations, and links between deals and terms.", no_args_is_help=True
)
Term = Annotated[str, typer.Argument(help="The term, such as crm:4711#1.")]
Reason = Annotated[str, typer.Option("--reason", help="Reason; stored with the answer.")]
By = Annotated[str, typer.Option("--by", help="Who decided it; you by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_REVIEW = ("kind", "account", "subject", "deal", "due", "arr", "method", "confidence", "suggestions")
_LINKS = ("deal", "product", "method", "confidence", "start", "arr", "known", "known_to")
_NEXT = "It takes effect with the next build: `python -m include.cli build`, or the DAG build_kpis within an hour."


@app.command("review")
def review_open(
    kind: Annotated[str, typer.Option("--kind", help="Only findings of this kind.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="Maximum number of rows.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List uncertain contracts and renewals by ARR, with suggestions."""
    from include.continuation import review

    found = review.findings(kind, limit)
    rows = [vars(one) | {"suggestions": ", ".join(one.suggestions[:3]) or "-"} for one in found]
    output.emit(rows, _REVIEW, as_json=as_json)
    if as_json:
        return
    for name in sorted({one.kind for one in found}):
        typer.echo(f"{name}: {review.MEANING[name]}")
    if not found:
        typer.echo("no contract or renewal is uncertain")


@app.command("show")
def show_links(term: Term, as_json: AsJson = False) -> None:
    """Show which deals continue a term, now and before."""
    from include.continuation import review

    found = review.links(term)
    output.emit(found, _LINKS, as_json=as_json)
    if not found and not as_json:
        typer.echo(f"no deal continues {term}, now or before")


@app.command("brief")
def show_brief(
    account: Annotated[str, typer.Argument(help="The account's key: source and id, such as crm:1001.")],
    renewal: Annotated[str, typer.Option("--renewal", help="Id of the open renewal; the next one by default.")] = "",
    html: Annotated[Path | None, typer.Option("--html", help="Write a page to this file instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the brief of a renewal: everything to know before the renewal call. It names people."""
    from include import config
    from include.common import texts
    from include.reports import brief

    if html:
        with texts.reading(config.load().language):  # the page is for people; what the command prints is English
            output.write_private(html, brief.read(account, renewal).html())
        typer.echo(f"wrote {html}", err=as_json)
        if not as_json:
            return
    found = brief.read(account, renewal)
    if as_json:
        typer.echo(output.to_json(asdict(found)), nl=False)
        return
    typer.echo(f"{found.title}, at the close of {found.as_of}")
    output.emit([{"": label, " ": value} for label, value in found.head], ("", " "))
    for section in found.sections:
        typer.echo(f"\n{section.title}" + (f": {section.text}" if section.text else ""))
        if section.rows:
            output.emit([dict(zip(section.columns, row, strict=True)) for row in section.rows], section.columns)


@app.command("link")
def link_deal(
    term: Term,
    deal: Annotated[str, typer.Argument(help="The won deal that continues it, such as crm:4712.")],
    reason: Reason,
    by: By = "",
) -> None:
    """Link a deal to the term that it continues."""
    from include.continuation import answers

    answers.link(term, deal, reason=reason, by=by or user.user())
    typer.echo(f"{deal} continues {term}. {_NEXT}")


@app.command("unlink")
def unlink_deal(
    term: Term,
    reason: Reason,
    deal: Annotated[str, typer.Option("--deal", help="The deal; without it, no deal at all.")] = "",
    by: By = "",
) -> None:
    """Record that a deal does not continue a term, or that no deal does."""
    from include.continuation import answers

    answers.unlink(term, deal, reason=reason, by=by or user.user())
    typer.echo(f"{deal or 'no deal'} {'does not continue' if deal else 'continues'} {term}. {_NEXT}")


@app.command("withdraw")
def withdraw_answer(term: Term) -> None:
    """Withdraw the answers about a term that were given on the command line."""
    from include.continuation import answers

    number = answers.withdraw(term)
    typer.echo(f"{number} answers withdrawn. {_NEXT}" if number else "there is no command-line answer to withdraw")
