"""The command ``signals``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer

from include import config
from include.common import clock
from include.common.errors import ConfigError, PerennialError
from include.config import files
from include.decide.renewals.reminders import LADDER
from include.decide.rules.load import Rule
from include.decide.signals.load import load
from include.decide.signals.schema import Signal

# Well-known signals that no connected source can provide yet. They are listed so that nobody searches for them.
AWAITED = {
    "email_bounced": ("Mail to a key contact bounces", "contact", "email_bounce"),
}
app = typer.Typer(help="Signals: conditions that open an alert.", invoke_without_command=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


@app.callback()
def listing(context: typer.Context, as_json: AsJson = False) -> None:
    """Validate and list all signals."""
    if context.invoked_subcommand:
        return
    found = _with_availability()
    rows = [_ladder(), *(_row(rule, missing) for rule, missing in found)]
    rows += [_awaited(name) for name in AWAITED if name not in {rule.file.name for rule, _ in found}]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo("\t".join(str(row[key]) for key in ("name", "version", "status", "about", "available", "title")))


@app.command()
def show(name: str) -> None:
    """Show one signal."""
    signals = load()
    if name not in signals:
        raise ConfigError(f"unknown signal {name}", cure=f"known: {', '.join(signals)}")
    path = signals[name].path
    typer.echo(f"# {files.shown(path)}\n{path.read_text(encoding='utf-8').rstrip()}")


@app.command()
def simulate(
    since: Annotated[str, typer.Option("--from", help="First day to replay.")],
    until: Annotated[str, typer.Option("--to", help="Last day to replay.")],
    names: Annotated[list[str] | None, typer.Argument(help="Names of signals; all by default.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Backtest signals on past days: what each would have opened, and alerts per person."""
    from include.cli import simulate as commands

    first, last = clock.parse_day(since, "--from"), clock.parse_day(until, "--to")
    commands.simulate_signals(names or [], first, last, html, as_json)


def _with_availability() -> list[tuple[Rule[Signal], str]]:
    """Return the signals, each with its missing data; "unknown" without a warehouse."""
    from include.decide.signals.scan import unavailable

    signals = load()
    try:
        missing = unavailable(signals)
    except (sa.exc.SQLAlchemyError, PerennialError):
        missing = dict.fromkeys(signals, "unknown: no warehouse")
    return [(rule, missing.get(name, "")) for name, rule in signals.items()]


def _ladder() -> dict[str, object]:
    """Return the only signal that has no file: it depends on dates, and on data that every CRM has."""
    days = ", ".join(str(days) for days in config.load().renewals.ladder_days)
    return {
        **LADDER.model_dump(include={"name", "version", "status", "title", "why"}),
        "kind": "risk",
        "about": "renewal",
        "available": "available",
        "open": f"days_to_decision reaches one of {days}",
        "close": "the renewal is won or lost, or its notice deadline has passed",
        "file": "include/defaults/config/renewals.yaml",
    }


def _awaited(name: str) -> dict[str, object]:
    title, about, needs = AWAITED[name]
    return {
        "name": name,
        "version": 0,
        "status": "draft",
        "kind": "risk",
        "about": about,
        "available": f"not available: needs {needs}",
        "title": title,
    }


def _row(rule: Rule[Signal], missing: str) -> dict[str, object]:
    signal = rule.file
    return {
        "name": signal.name,
        "version": signal.version,
        "status": signal.status,
        "kind": signal.kind,
        "about": signal.about,
        "available": missing or "available",
        "title": signal.title,
        "why": signal.why,
        "open": " ".join(signal.open.split()),
        "close": " ".join(signal.close.split()),
        "file": files.shown(rule.path),
    }
