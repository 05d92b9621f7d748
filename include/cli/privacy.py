"""The commands ``erase`` and ``housekeeping``."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output
from include.common import user
from include.common.errors import ConfigError

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


def erase(
    reason: Annotated[str, typer.Option("--reason", help="Reason; it is stored, so it must name nobody.")],
    person: Annotated[str, typer.Option("--person", help="An e-mail address of the person.")] = "",
    account: Annotated[str, typer.Option("--account", help="An account's key, such as crm:1001.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the rows.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who requested it; you by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Erase a person or an account from every store, permanently, and list the systems that still hold data."""
    from include.operations.privacy import erase as erasing

    if bool(person) == bool(account):
        raise ConfigError("give either --person or --account", cure="see `python -m include.cli erase --help`")
    options = {"reason": reason, "by": by or user.user(), "dry_run": dry_run}
    done = erasing.person(person, **options) if person else erasing.account(account, **options)  # type: ignore[arg-type]
    if as_json:
        typer.echo(output.to_json(done), nl=False)
        return
    output.emit([{"store": name, "rows": number} for name, number in done.counts.items()], ("store", "rows"))
    if dry_run:
        typer.echo("\nOf these, found through the address of another person:" if person else "\nOf these:")
        for line in done.found:
            typer.echo(f"  {line}")
    typer.echo("\nStill stored in other systems:")
    for line in done.outside:
        typer.echo(f"  {line}")
    typer.echo("(dry run: nothing was changed)" if dry_run else "Erased. The next build rebuilds the figures.")


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, up to 5000 rows of each store.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete data that is older than config/retention.yaml allows."""
    from include.operations import retention

    found = retention.run_housekeeping(dry_run)
    if not found and not as_json:
        typer.echo("another run is in progress; nothing was done")
        return
    rows = [
        {"store": one.store, "days": one.days, "deleted": one.n_deleted, "complete": one.is_complete} for one in found
    ]
    output.emit(rows, ("store", "days", "deleted", "complete"), as_json=as_json)
