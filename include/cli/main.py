"""The command line: every step of Perennial without Airflow.

Each command calls the function that the DAGs call, and prints its result. Exit statuses are those of
``include.common.errors``: 0 done, 2 configuration or usage, 3 refused by the other side, 4 data held, 5 unavailable, 6
quota used up, 7 warehouse, 1 anything else.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from include.cli import analyses as analysis_commands
from include.cli import approvals as approval_commands
from include.cli import catalogue as catalogue_commands
from include.cli import contracts as contract_commands
from include.cli import forecast as forecast_commands
from include.cli import incidents as incident_commands
from include.cli import output as console
from include.cli import privacy as stewardship
from include.cli import quarantine as quarantine_commands
from include.cli import reconcile as reconcile_command
from include.cli.competitors import app as competitors_app
from include.cli.connect import app as connect_app
from include.cli.decide import app as decide_app
from include.cli.discounts import app as discounts_app
from include.cli.experiments import app as experiments_app
from include.cli.identity import app as identity_app
from include.cli.metrics import app as metrics_app
from include.cli.playbooks import app as playbook_app
from include.cli.releases import app as releases_app
from include.cli.renewals import app as renewals_app
from include.cli.report import app as report_app
from include.cli.requests import app as requests_app
from include.cli.score import app as score_app
from include.cli.signals import app as signals_app
from include.cli.texts import app as texts_app
from include.cli.touches import app as touches_app
from include.cli.triage import app as triage_app
from include.common import user
from include.common.errors import ContractError, PerennialError, WarehouseError

app = typer.Typer(
    name="perennial",
    help="Perennial, a customer-success data platform: every step of the DAGs as a command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
channel_app = typer.Typer(
    help="Delivery channels: Slack, e-mail, group robots, CRM tasks and CRM fields.", no_args_is_help=True
)
batch_app = typer.Typer(help="Batches of landed rows; decide about held batches.", no_args_is_help=True)
server_app = typer.Typer(help="The embedded PostgreSQL server, and migrations.", no_args_is_help=True)
config_app = typer.Typer(help="Settings.", no_args_is_help=True)
app.add_typer(batch_app, name="batch")
app.add_typer(channel_app, name="channel")
app.add_typer(decide_app, name="decide")
app.add_typer(playbook_app, name="playbook")
app.add_typer(experiments_app, name="experiments")
app.add_typer(analysis_commands.app, name="analysis")
app.add_typer(triage_app, name="triage")
app.add_typer(discounts_app, name="discounts")
app.add_typer(requests_app, name="requests")
app.add_typer(releases_app, name="releases")
app.add_typer(competitors_app, name="competitors")
app.add_typer(server_app, name="server")
app.add_typer(config_app, name="config")
app.add_typer(identity_app, name="identity")
app.add_typer(metrics_app, name="metrics")
app.add_typer(renewals_app, name="renewals")
app.add_typer(score_app, name="score")
app.add_typer(report_app, name="report")
app.add_typer(texts_app, name="texts")
app.add_typer(touches_app, name="touches")
score_app.command("forecast")(forecast_commands.show)
score_app.command("disagreements")(forecast_commands.disagreements)
score_app.command("calendar")(forecast_commands.calendar)
score_app.command("call")(forecast_commands.call)
score_app.command("calls")(forecast_commands.list_calls)
score_app.command("accuracy")(forecast_commands.accuracy)
app.command("erase")(stewardship.erase)
app.command("housekeeping")(stewardship.housekeeping)
app.add_typer(signals_app, name="signals")
app.add_typer(catalogue_commands.app, name="catalogue")
app.add_typer(contract_commands.app, name="contracts")
app.add_typer(quarantine_commands.app, name="quarantine")
app.add_typer(incident_commands.app, name="incidents")
app.add_typer(connect_app, name="connect")
app.add_typer(approval_commands.app, name="approvals")
app.command("undo")(approval_commands.undo)
app.command("reconcile")(reconcile_command.reconcile)

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
Reason = Annotated[str, typer.Option("--reason", help="Reason; stored with the batch.")]
ChannelReason = Annotated[str, typer.Option("--reason", help="Reason; stored with the change.")]


@app.command("ingest")
def ingest_source(
    source: Annotated[str, typer.Argument(help="Id of a source, or crm, support or product for all of a kind.")],
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this entity; may be repeated.")] = None,
    since: Annotated[str, typer.Option("--since", help="Extract changes since this time again.")] = "",
    until: Annotated[str, typer.Option("--until", help="Extract records up to this time only.")] = "",
    full: Annotated[
        bool, typer.Option("--full", help="Full refresh: extract everything and find deleted records.")
    ] = False,
) -> None:
    """Extract new records of a source, validate and merge them, and print the source's verdict."""
    from include.ingest import pipeline

    verdicts = [
        pipeline.run(each, only=only or (), since=since, until=until, full=full)
        for each in pipeline.sources_named(source)
    ]
    for verdict in verdicts:
        upto = f", complete up to {console.cell(verdict.watermark)} UTC" if verdict.watermark else ""
        partly = f"; {verdict.reason}" if verdict.state == "green" and verdict.reason else ""
        typer.echo(f"{verdict.source} is {verdict.state}{upto}{partly}")
    red = next((verdict for verdict in verdicts if verdict.state == "red"), None)
    if red:
        raise ContractError(f"{red.source}: {red.reason}", cure=red.cure)


@app.command("build")
def build_tables(
    since: Annotated[str, typer.Option("--from", help="Rebuild from this day, for all accounts.")] = "",
    until: Annotated[str, typer.Option("--to", help="Rebuild up to and including this day.")] = "",
    build_id: Annotated[str, typer.Option("--id", help="Id of the build to resume, or of a new build.")] = "",
    backfill: Annotated[str, typer.Option("--backfill", help="Run this file of config/backfills/.")] = "",
) -> None:
    """Build the KPI tables: pending changes, or the given days."""
    from include.cli import build as build_command

    for line in build_command.run(since, until, build_id, backfill):
        typer.echo(line)


@app.command("backfills")
def list_backfills(as_json: AsJson = False) -> None:
    """List the backfills of config/backfills/ and whether they have run."""
    from include.cli import build as build_command

    console.emit(build_command.listed(), build_command.LISTED, as_json=as_json)


@app.command("deliver")
def deliver_due(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is due.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send due messages and tasks, and settle uncertain ones."""
    from include.cli import channels as commands
    from include.deliver.deliver import deliver

    found = deliver(dry_run=dry_run)
    typer.echo(console.to_json(found) if as_json else f"{commands.delivered(found)}\n", nl=False)


@channel_app.command("list")
def channel_list(as_json: AsJson = False) -> None:
    """List channels: dry run, holds, and messages that wait or need attention."""
    from include.cli import channels as commands

    console.emit(commands.channels(), commands.CHANNEL_COLUMNS, as_json=as_json)


@channel_app.command("show")
def channel_show(
    channel: str,
    state: Annotated[str, typer.Option("--state", help="planned, sent, uncertain, failed, suppressed, ...")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest messages or tasks of a channel with state and reason."""
    from include.cli import channels as commands

    console.emit(commands.deliveries(channel, state, limit), commands.DELIVERY_COLUMNS, as_json=as_json)


@channel_app.command("release")
def channel_release(channel: str, reason: ChannelReason = "") -> None:
    """Release a channel from its hold. This confirms that its planned messages have not been sent by another store."""
    from include.deliver import holds

    holds.release(channel, reason, user.user())
    typer.echo(f"{channel} is released; `python -m include.cli deliver` sends what is due")


@channel_app.command("hold")
def channel_hold(channel: str, reason: ChannelReason = "") -> None:
    """Put a channel on hold until it is released. Planned messages wait, and expire at their deadline."""
    from include.deliver import holds

    holds.hold(channel, reason, user.user())
    typer.echo(f"{channel} is on hold")


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show the status of sources, batches, quarantine, the last build and messages."""
    from include.pages import status as report
    from include.warehouse import migrate

    migrate.if_empty()
    found = report.status()
    if as_json:
        typer.echo(console.to_json(found), nl=False)
        return
    for section, (columns, empty) in report.SECTIONS.items():
        if found[section]:
            console.emit(found[section], columns, title=section)
        typer.echo("" if found[section] else f"{empty}\n")


@batch_app.command("list")
def batch_list(
    source: Annotated[str, typer.Option("--source", help="Only of this source.")] = "",
    state: Annotated[str, typer.Option("--state", help="landing, closed, held, merged or dropped.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest batches that are not empty."""
    from include.pages import status as report

    console.emit(report.batch_list(source=source, state=state, limit=limit), report.BATCH_COLUMNS, as_json=as_json)


@batch_app.command("show")
def batch_show(batch_id: int, as_json: AsJson = False) -> None:
    """Show one batch: counts, broken rules and bad rows, with sensitive values masked."""
    from include.pages import status as report

    found = report.batch(batch_id)
    if as_json:
        typer.echo(console.to_json(found), nl=False)
        return
    console.emit(
        [{"field": key, "value": value} for key, value in found["batch"][0].items()], ("field", "value"), title="batch"
    )
    console.emit(found["rules"], ("rule_id", "severity", "n_bad", "n_rows", "observed"), title="\nbroken rules")
    console.emit(found["quarantine"], ("rule_id", "record_id", "state", "reason", "record"), title="\nbad rows")


@batch_app.command("accept")
def batch_accept(batch_id: int, reason: Reason = "") -> None:
    """Accept a held batch: merge it. Its bad rows stay in quarantine."""
    from include.ingest import pipeline

    verdict = pipeline.accept(batch_id, reason=reason)
    typer.echo(f"batch {batch_id} is merged; {verdict.source} is {verdict.state} {verdict.reason}".strip())


@batch_app.command("drop")
def batch_drop(batch_id: int, reason: Reason = "") -> None:
    """Drop a held batch and the later ones of its entity. The next run extracts them again."""
    from include.ingest import pipeline

    dropped = pipeline.drop(batch_id, reason=reason)
    numbers = ", ".join(str(batch.batch_id) for batch in dropped)
    typer.echo(f"dropped {numbers}; `python -m include.cli ingest {dropped[0].source}` extracts them again")


@server_app.command("start")
def server_start() -> None:
    """Start the embedded PostgreSQL. Create and migrate it if needed."""
    from sqlalchemy.engine import make_url

    from include.cli.output import Waiting
    from include.warehouse import migrate
    from include.warehouse.embedded import server

    url = server.start(waiting=Waiting())
    migrate.migrate(url)
    typer.echo(f"running at {make_url(url).render_as_string(hide_password=True)}")


@server_app.command("stop")
def server_stop() -> None:
    """Stop the embedded PostgreSQL. Its data stays."""
    from include.cli.output import Waiting
    from include.warehouse.embedded import server

    server.stop(waiting=Waiting())
    typer.echo("stopped")


@server_app.command("url")
def server_url() -> None:
    """Print the warehouse's URL for PERENNIAL_DATABASE_URL, including the password."""
    from include.warehouse.engine import database_url

    typer.echo(database_url())


@server_app.command("migrate")
def server_migrate() -> None:
    """Create or upgrade the tables of schemas meta, ops and quarantine."""
    from include.warehouse.migrate import migrate

    migrate()
    typer.echo("the warehouse's tables are up to date")


@config_app.command("show")
def config_show(as_json: AsJson = False) -> None:
    """List every setting with its value, file and line."""
    from include.config import loader

    rows = [{"key": shown.key, "value": shown.value, "from": shown.origin} for shown in loader.show()]
    console.emit(rows, ("key", "value", "from"), as_json=as_json)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status. An error is one line, never a traceback."""
    debug = os.environ.get("PERENNIAL_DEBUG") == "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("include").setLevel(logging.DEBUG if debug else logging.INFO)
    if not debug:  # ingest reports its findings in plain words
        logging.getLogger("include.contracts").setLevel(logging.WARNING)
    try:
        status = typer.main.get_command(app).main(arguments, prog_name="python -m include.cli", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except typer.TyperException as error:
        # Without a command, Typer raises the help text as an error.
        is_help = type(error).__name__ == "NoArgsIsHelpError"
        typer.echo(error.format_message() if is_help else f"error: {error.format_message()}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # The reader of the output has closed it (`| head`). Without this, Python would print an error on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if debug:
            raise
        return _fail(_readable(error))


def _readable(error: Exception) -> PerennialError:
    from include.gate.source_failures import as_perennial_error

    if isinstance(error, OSError):
        return WarehouseError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
    return as_perennial_error(error)


def _fail(error: PerennialError) -> int:
    typer.echo(f"error: {console.cell(error.message)}", err=True)
    if error.cure:
        typer.echo(f"  try: {console.cell(error.cure)}", err=True)
    return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
