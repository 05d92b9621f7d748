"""``quarantine``: rows that broke a rule, and what is done about them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.cli import output
from include.common import clock, user
from include.common.errors import ConfigError
from include.ingest.quarantine import Which

app = typer.Typer(help="Rows that broke a rule: they wait here until they are good, waived or dropped.")
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
Rule = Annotated[str, typer.Argument(help="A rule's id; leave it out for all.")]
OneRule = Annotated[str, typer.Argument(help="The rule's id.")]
Source = Annotated[str, typer.Option("--source", help="Only of this source.")]
Entity = Annotated[str, typer.Option("--entity", help="Only of this entity.")]
Record = Annotated[str, typer.Option("--record", help="Only the record of this id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the rows.")]
By = Annotated[str, typer.Option("--by", help="Who decides; by default who is logged in.")]


@app.command("list")
def listing(source: Source = "", entity: Entity = "", as_json: AsJson = False) -> None:
    """List what waits: rule, its owner, how many rows and accounts, since when."""
    from include.ingest import quarantine

    rows = quarantine.listing(Which(source=source, entity=entity))
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
    """Show single rows, newest first, with the values that identify a person masked."""
    from include.ingest import quarantine

    rows = quarantine.rows(Which(rule=rule, source=source, record=record), limit=limit)
    columns = ("rule_id", "source", "record_id", "account_ref", "state", "quarantined_at", "reason", "record")
    output.emit(rows, columns, as_json=as_json)


@app.command("replay")
def replay(rule: Rule = "", source: Source = "", entity: Entity = "", record: Record = "") -> None:
    """Validate rows again, after the rule or the mapping of values was fixed, and merge those that are good now."""
    from include.ingest import replay as fix
    from include.pages import quarantine_review

    typer.echo(quarantine_review.said(fix.replay(Which(rule, source, record, entity))))


@app.command("waive")
def waive(
    rule: OneRule,
    source: Source = "",
    record: Record = "",
    until: Annotated[str, typer.Option("--until", help="The day on which it is over, such as 2026-12-31.")] = "",
    reason: Reason = "",
    by: By = "",
) -> None:
    """Let rows in although they break a rule, until a day: those that wait, and those to come."""
    from include.ingest import replay as fix
    from include.pages import quarantine_review

    which = Which(rule, source, record)
    waiver_id, found = fix.waive(which, reason=reason, by=by, until=clock.moment(until, "--until"))
    typer.echo(f"waiver {waiver_id} is in force until {until}; {quarantine_review.said(found)}")


@app.command("drop")
def drop(rule: Rule = "", source: Source = "", record: Record = "", reason: Reason = "", by: By = "") -> None:
    """Drop rows: they stay out permanently and hold nothing any more."""
    from include.ingest import replay as fix

    typer.echo(f"{fix.drop(Which(rule, source, record), reason=reason, by=by)} rows are dropped")


@app.command("waivers")
def waivers(as_json: AsJson = False) -> None:
    """List the waivers: for which rule, until when, by whom and why."""
    from include.ingest import quarantine

    columns = ("waiver_id", "rule_id", "source", "record_id", "is_in_force", "until", "n_rows", "approved_by", "reason")
    output.emit(quarantine.waivers(), columns, as_json=as_json)


@app.command("unwaive")
def unwaive(waiver_id: int, by: By = "") -> None:
    """End a waiver before its time."""
    from include.ingest import quarantine

    quarantine.end_waiver(waiver_id, by=by or user.user())
    typer.echo(f"waiver {waiver_id} is over; the rows that it let in hold their accounts again")


@app.command("trend")
def trend(
    by: Annotated[str, typer.Option("--by", help="rule, owner or source.")] = "rule",
    days: Annotated[int, typer.Option("--days", min=1, max=400)] = 30,
    as_json: AsJson = False,
) -> None:
    """Count per day what came into quarantine, what left it and what stayed, by rule, owner or source."""
    from include.ingest import quarantine

    keys = {"rule": "rule_id", "owner": "owner", "source": "source"}
    if by not in keys:
        raise ConfigError(f"nothing is counted by {by}", cure=f"--by {', '.join(keys)}")
    summed: dict[tuple, dict[str, Any]] = {}
    for row in _owned(quarantine.over_time(days)):
        counted = summed.setdefault((row["day"], row[keys[by]]), {"day": row["day"], by: row[keys[by]]})
        for name in ("n_came", "n_went", "n_open"):
            counted[name] = counted.get(name, 0) + row[name]
    output.emit(list(summed.values()), ("day", by, "n_came", "n_went", "n_open"), as_json=as_json)


def _owned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from include.contracts import catalogue

    owners = {rule.id: rule.owner for rule in catalogue.rules()}
    return [row | {"owner": owners.get(row["rule_id"], "nobody: the rule is gone")} for row in rows]
