"""The command ``incidents``: data incidents, notifications and silences."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
import typer

from include.cli import output
from include.common import clock, user
from include.common.errors import ConfigError

app = typer.Typer(help="Data incidents: what is wrong, since when, and who was notified.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
By = Annotated[str, typer.Option("--by", help="Who decides; you by default.")]


@app.command("list")
def listing(
    every: Annotated[bool, typer.Option("--all", help="Include closed ones.")] = False, as_json: AsJson = False
) -> None:
    """List incidents, newest first."""
    rows = _read(_LIST, every=every)
    columns = ("incident_id", "key", "state", "n_bad", "n_rows", "opened_at", "worsened_at", "closed_at", "notified")
    output.emit(rows, columns, as_json=as_json)


@app.command("notify")
def notify(as_json: AsJson = False) -> None:
    """Scan for incidents, and notify owners of those that began, got worse or ended since the last scan."""
    from include.operations.incidents import notify as incidents

    found = incidents.run()
    summary = ", ".join(f"{value} {name.removeprefix('n_')}" for name, value in vars(found).items())
    typer.echo(output.to_json(vars(found)) if as_json else f"{summary}\n", nl=False)


@app.command("silence")
def silence(
    pattern: Annotated[str, typer.Argument(help="Pattern of incident keys, such as 'rows:crm:*'.")],
    until: Annotated[str, typer.Option("--until", help="Day on which it ends, such as 2026-12-31.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Reason; stored with the silence.")] = "",
    by: By = "",
) -> None:
    """Silence notifications of incidents until a day. Data on hold stays on hold."""
    from include.warehouse.engine import engine

    moment = clock.parse_time(until, "--until")
    if not reason.strip() or moment <= clock.now():
        raise ConfigError("a silence needs a reason and a future date", cure="give --reason and --until")
    values = {"pattern": pattern, "until": moment, "reason": reason.strip(), "by": by or user.user()}
    with engine("loader").begin() as connection:
        number = connection.execute(_SILENCE, values | {"now": clock.now()}).scalar_one()
    typer.echo(f"silence {number} is in force until {until}")


@app.command("silences")
def silences(as_json: AsJson = False) -> None:
    """List silences in force, from commands and settings.yaml."""
    from include.config import load

    rows = _read(_SILENCES)
    rows += [
        {"silence_id": "settings.yaml", "pattern": each.pattern, "until": each.until, "created_by": each.by}
        | {"reason": each.reason}
        for each in load().silences
        if clock.now().date() < each.until
    ]
    output.emit(rows, ("silence_id", "pattern", "until", "created_by", "reason"), as_json=as_json)


@app.command("unsilence")
def unsilence(silence_id: int, by: By = "") -> None:
    """End a silence early."""
    from include.warehouse.engine import engine

    with engine("loader").begin() as connection:
        values = {"id": silence_id, "by": by or user.user(), "now": clock.now()}
        if not connection.execute(_END, values).rowcount:
            raise ConfigError(f"no silence {silence_id} in force", cure="list them with `incidents silences`")
    typer.echo(f"silence {silence_id} ended")


def _read(query: sa.TextClause, **values: Any) -> list[dict[str, Any]]:
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        return [dict(row) for row in connection.execute(query, values | {"now": clock.now()}).mappings()]


_LIST = sa.text(
    """
    select incident.*,
        (select string_agg(distinct event || ' ' || sent.state, ', ') from meta.notification as sent
         where sent.incident_id = incident.incident_id) as notified
    from meta.incident as incident
    where (:every or state = 'open') and opened_at <= :now
    order by incident_id desc limit 200
    """
)
_SILENCE = sa.text(
    "insert into meta.silence (pattern, reason, created_by, until, created_at)"
    " values (:pattern, :reason, :by, :until, :now) returning silence_id"
)
_SILENCES = sa.text(
    "select silence_id, pattern, until, created_by, reason from meta.silence where ended_at is null and until > :now"
    " order by silence_id"
)
_END = sa.text(
    "update meta.silence set ended_at = :now, ended_by = :by"
    " where silence_id = :id and ended_at is null and until > :now"
)
