"""The command ``contracts``: the rules that validate data."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.cli import output

app = typer.Typer(help="Rules that batches are validated with before they are merged.", invoke_without_command=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_COLUMNS = ("id", "severity", "scope", "owner", "why", "cure")


@app.callback()
def contracts(context: typer.Context, as_json: AsJson = False) -> None:
    """List the rules that validate batches."""
    if context.invoked_subcommand:
        return
    from include.contracts.catalogue import rules

    output.emit([_shown(rule) for rule in rules()], _COLUMNS, as_json=as_json)


@app.command("show")
def show(rule_id: str, as_json: AsJson = False) -> None:
    """Show one rule, its recent violations and the rows that it quarantined."""
    from include.contracts import catalogue, results

    rule = catalogue.named(rule_id)
    trend = results.trend(rule_id)
    if as_json:
        typer.echo(output.to_json(_shown(rule) | {"trend": trend}), nl=False)
        return
    output.emit([{"field": key, "value": value} for key, value in _shown(rule).items()], ("field", "value"))
    output.emit(trend, ("day", "source", "n_batches", "n_rows", "n_bad", "share"), title="\nby day")


def _shown(rule: Any) -> dict[str, Any]:
    names = ("id", "severity", "scope", "owner", "says", "why", "cure")
    return {name: getattr(rule, name) for name in names} | {"from": rule.origin or "shipped"}
