"""The command ``quarantine``: rows that broke a rule, and decisions about them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.cli import output
from include.common import clock, user
from include.common.errors import ConfigError
from include.ingest.quarantine import RowFilter

app = typer.Typer(help="Quarantined rows: replay, waive or drop them.")
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
Rule = Annotated[str, typer.Argument(help="A rule's id; all rules by default.")]
OneRule = Annotated[str, typer.Argument(help="The rule's id.")]
Source = Annotated[str, typer.Option("--source", help="Only of this source.")]
Entity = Annotated[str, typer.Option("--entity", help="Only of this entity.")]
Record = Annotated[str, typer.Option("--record", help="Only the record of this id.")]
Reason = Annotated[str, typer.Option("--reason", help="Reason; stored with the rows.")]
By = Annotated[str, typer.Option("--by", help="Who decides; you by default.")]


@app.command("list")
def listing(source: Source = "", entity: Entity = "", as_json: AsJson = False) -> None:
    """List quarantined rows per rule: owner, number of rows and accounts, oldest."""
    from include.ingest import quarantine

    rows = quarantine.listing(RowFilter(source=source, entity=entity))
    columns = ("rule_id", "source", "state", "owner", "n_rows", "n_accounts", "n_without_row", "since")
    output.emit(_owned(rows), columns, as_json=as_json)


@app.command("show")
def show(
    rule: Rule = "",
    source: Source = "",
    record: Record = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show quarantined rows, newest first, with personal data masked."""
    from include.ingest import quarantine

    rows = quarantine.rows(RowFilter(rule=rule, source=source, record=record), limit=limit)
    columns = ("rule_id", "source", "record_id", "account_ref", "state", "quarantined_at", "reason", "record")
    output.emit(rows, columns, as_json=as_json)


@app.command("replay")
def replay(rule: Rule = "", source: Source = "", entity: Entity = "", record: Record = "") -> None:
    """Replay rows: validate them again after a rule or mapping was fixed, and merge the valid ones."""
    from include.ingest import replay as fix
    from include.pages import quarantine_review

    typer.echo(quarantine_review.replay_summary(fix.replay(RowFilter(rule, source, record, entity))))


@app.command("waive")
def waive(
    rule: OneRule,
    source: Source = "",
    record: Record = "",
    until: Annotated[str, typer.Option("--until", help="Day on which it ends, such as 2026-12-31.")] = "",
    reason: Reason = "",
    by: By = "",
) -> None:
    """Waive a rule until a day: load quarantined and future rows that break it."""
    from include.ingest import replay as fix
    from include.pages import quarantine_review

    row_filter = RowFilter(rule, source, record)
    waiver_id, found = fix.waive(row_filter, reason=reason, by=by, until=clock.parse_time(until, "--until"))
    typer.echo(f"waiver {waiver_id} is in force until {until}; {quarantine_review.replay_summary(found)}")


@app.command("drop")
def drop(
    rule: Rule = "", source: Source = "", entity: Entity = "", record: Record = "", reason: Reason = "", by: By = ""
) -> None:
    """Drop rows permanently. They no longer hold back their accounts."""
    from include.ingest import replay as fix

    typer.echo(f"{fix.drop(RowFilter(rule, source, record, entity), reason=reason, by=by)} rows dropped")


@app.command("waivers")
def waivers(as_json: AsJson = False) -> None:
    """List waivers."""
    from include.ingest import quarantine

    columns = ("waiver_id", "rule_id", "source", "record_id", "is_in_force", "until", "n_rows", "approved_by", "reason")
    output.emit(quarantine.waivers(), columns, as_json=as_json)


@app.command("unwaive")
def unwaive(waiver_id: int, by: By = "") -> None:
    """End a waiver early."""
    from include.ingest import quarantine

    quarantine.end_waiver(waiver_id, by=by or user.user())
    typer.echo(f"waiver {waiver_id} ended; the rows that it accepted put their accounts on hold again")


@app.command("trend")
def trend(
    by: Annotated[str, typer.Option("--by", help="rule, owner or source.")] = "rule",
    days: Annotated[int, typer.Option("--days", min=1, max=400)] = 30,
    as_json: AsJson = False,
) -> None:
    """Count rows per day that entered, left and stayed in quarantine."""
    from include.ingest import quarantine

    keys = {"rule": "rule_id", "owner": "owner", "source": "source"}
    if by not in keys:
        raise ConfigError(f"--by {by!r} is not valid", cure=f"choose from {', '.join(keys)}")
    summed: dict[tuple, dict[str, Any]] = {}
    for row in _owned(quarantine.over_time(days)):
        counted = summed.setdefault((row["day"], row[keys[by]]), {"day": row["day"], by: row[keys[by]]})
        for name in ("n_entered", "n_left", "n_open"):
            counted[name] = counted.get(name, 0) + row[name]
    output.emit(list(summed.values()), ("day", by, "n_entered", "n_left", "n_open"), as_json=as_json)


def _owned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from include.contracts import catalogue

    owners = {rule.id: rule.owner for rule in catalogue.rules()}
    return [row | {"owner": owners.get(row["rule_id"], "none: the rule no longer exists")} for row in rows]
