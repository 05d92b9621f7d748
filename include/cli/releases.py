"""The command ``releases``: adoption of releases against the goals that were set before."""

from __future__ import annotations

from typing import Annotated

import typer

from include.cli import output

app = typer.Typer(help="Releases: reach and adoption in 28 days, goals, retention.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_RELEASES = (
    "release", "released_on", "n_targets", "n_unknown", "n_reached", "reach", "n_adopted", "adoption", "of_reached",
    "goal", "verdict", "n_tickets", "retention",
)  # fmt: skip


@app.command("list")
def list_releases(
    keep: Annotated[bool, typer.Option("--keep", help="First store goals, and count again.")] = False,
    as_json: AsJson = False,
) -> None:
    """List releases, newest first. Goals count if they were stored by the day of the release."""
    from include.analyses import releases
    from include.warehouse.engine import engine

    if keep:
        with engine("builder").begin() as connection:
            releases.note_goals(connection)
        with engine("builder").begin() as connection:
            releases.judge(connection)
    with engine("reader").connect() as connection:
        rows = releases.with_effects(connection, releases.stored(connection))
    output.emit([_row(row) for row in rows], _RELEASES, as_json=as_json)


def _row(row: dict[str, object]) -> dict[str, object]:
    shares = {
        name: None if row[name] is None else f"{row[name]:.1%}" for name in ("reach", "adoption", "of_reached", "goal")
    }
    effects = row["effects"] if isinstance(row["effects"], list) else []
    found = [f"{one['feature']} {one['verdict']} {output.points(one['difference'])}" for one in effects]
    return {**row, **shares, "retention": "; ".join(found) or "not available"}
