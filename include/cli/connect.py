"""The commands ``connect check`` and ``connect propose``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from include.cli import output

app = typer.Typer(help="Connections: check them, and propose a mapping.", no_args_is_help=True)


@app.command("check")
def check(
    connections: Annotated[list[str] | None, typer.Argument(help="Ids of connections; all by default.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Show some rows, with personal data masked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Check each connection and list what to fix. Reads a sample, and changes and sends nothing."""
    from include.operations.connection_check import run
    from include.operations.connection_check.finding import COLUMNS

    lines = list(run.check(connections or ()))
    if as_json:
        typer.echo(output.to_json([asdict(line) for line in lines]), nl=False)
    else:
        output.emit([asdict(line) for line in lines], COLUMNS)
        for line in lines if samples else ():
            if line.rows:
                names = list(dict.fromkeys(name for row in line.rows for name in row))
                output.emit(line.rows, names, title=f"\n{line.connection}: {line.what}")
    status = run.exit_status(lines)
    if status:
        raise typer.Exit(status)


@app.command("propose")
def propose(
    connection: Annotated[str, typer.Argument(help="The id of a connection to a CRM.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing mapping file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the file instead of writing it.")] = False,
) -> None:
    """Propose a mapping file for a CRM from its schema and a sample, with evidence per line."""
    from include.config.files import shown
    from include.operations.mapping_proposal import run, store, write

    path = None if dry_run else store.target(connection, force=force)
    proposal = run.for_connection(connection)
    text = write.mapping_file(proposal, connection)
    if path is None:
        typer.echo(text, nl=False)
        return
    store.put_mapping(path, text)
    typer.echo(f"Wrote {shown(path)}\n")
    typer.echo(write.summary(proposal))
    for step in (store.name_mapping(connection), store.name_pipelines(proposal.pipelines)):
        if step:
            typer.echo(f"\n{step}")
    typer.echo(f"\nNext: connect check {connection}")
