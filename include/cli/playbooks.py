"""The command ``playbook``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.cli import output
from include.common import clock
from include.common.errors import ConfigError
from include.config import files

app = typer.Typer(help="Playbooks.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
COLUMNS = ("name", "version", "status", "about", "starts", "tiers", "steps", "title", "file")


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """Validate and list all playbooks."""
    from include.decide.playbooks import load

    output.emit(load.listing(), COLUMNS, as_json=as_json)


@app.command()
def check() -> None:
    """Validate all playbooks. Errors name file and line."""
    from include.decide.playbooks.load import load

    found = load()
    steps = sum(len(rule.file.steps) for rule in found.values())
    typer.echo(f"{len(found)} playbooks with {steps} steps are valid")


@app.command()
def show(name: str) -> None:
    """Show one playbook."""
    from include.decide.playbooks.load import load

    playbooks = load()
    if name not in playbooks:
        raise ConfigError(f"unknown playbook {name}", cure=f"known: {', '.join(playbooks)}")
    path = playbooks[name].path
    typer.echo(f"# {files.shown(path)}\n{path.read_text(encoding='utf-8').rstrip()}")


@app.command()
def draft(
    account: Annotated[str, typer.Option("--from-benchmark", help="A benchmark customer of `analysis benchmark`.")],
) -> None:
    """Print a draft for customers that could learn from a benchmark customer. Save it in your overlay's playbooks."""
    from include.analyses import benchmark
    from include.decide.playbooks.draft import from_benchmark
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = benchmark.read(connection, [account])
        if not found:
            raise ConfigError(f"{account} is not a benchmark customer", cure="`analysis benchmark` lists them")
        differences = benchmark.differences(connection, found[0].industry)
    typer.echo(from_benchmark(found[0], differences), nl=False)


@app.command()
def simulate(
    name: str,
    since: Annotated[str, typer.Option("--from", help="First day to replay.")],
    until: Annotated[str, typer.Option("--to", help="Last day to replay.")],
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Backtest a playbook on past days: accounts it would have touched, and their outcome."""
    from include.cli import simulate as commands

    commands.simulate_playbook(name, clock.parse_day(since, "--from"), clock.parse_day(until, "--to"), html, as_json)
