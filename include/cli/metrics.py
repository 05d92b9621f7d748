"""The command ``metrics``: the registry, explained values, restatements and overrides."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.cli import output
from include.common import clock, user
from include.common.errors import ConfigError
from include.metrics.explain import Explained, Value, shown

app = typer.Typer(
    help="Metrics: definitions, explained values, restatements and overrides.", invoke_without_command=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
COLUMNS = ("id", "level", "parent", "unit", "direction", "owner", "target", "version", "needs", "formula")


@app.callback()
def metrics_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List all metrics."""
    if context.invoked_subcommand:
        return
    output.emit(listing(), COLUMNS, as_json=as_json)


@app.command("show")
def metrics_show(
    metric_id: Annotated[str, typer.Argument(metavar="ID")],
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of", help="The last period that ended by this day; of renewal_forecast also a quarter ahead."
        ),
    ] = "",
    period: Annotated[str, typer.Option("--period", help="day, week, month or quarter.")] = "month",
    grain: Annotated[str, typer.Option("--grain", help="Grain of the metric: all, tier, csm ...")] = "all",
    key: Annotated[str, typer.Option("--key", help="Group of the grain; all groups by default.")] = "",
    known_at: Annotated[str, typer.Option("--known-at", help="Also show the value as known at this time.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Maximum number of rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Explain one value down to its rows."""
    from include.cli import forecast
    from include.common import quarters
    from include.metrics.explain import explain, groups, is_ahead, last_end

    day = clock.parse_day(as_of, "--as-of") if as_of else None
    if metric_id == "renewal_forecast" and period == "quarter" and day and is_ahead(period, day):
        if key or known_at:
            raise ConfigError(
                "the forecast of a quarter ahead has neither --key nor --known-at",
                cure="leave them out; a --grain lists all of its groups",
            )
        quarter = quarters.label(quarters.start(last_end(period, day)))
        forecast.show(quarter, "" if grain == "all" else grain, False, as_json)
        return
    # For a grain without a group, show all groups side by side, if there are any.
    side_by_side = groups(metric_id, period=period, as_of=day, grain=grain) if grain != "all" and not key else []
    if side_by_side:
        title = f"by {grain}, {period} to {side_by_side[0]['as_of']}; choose one with --key"
        output.emit(side_by_side, tuple(side_by_side[0])[1:], as_json=as_json, title=title)
        return
    found = explain(
        metric_id,
        period=period,
        as_of=day,
        grain=grain,
        key=key,
        limit=limit,
        known_at=clock.parse_time(known_at, "--known-at") if known_at else None,
    )
    if as_json:
        typer.echo(output.to_json(as_dict(found)), nl=False)
        return
    facts = [{"": name, " ": value} for name, value in facts_of(found).items()]
    output.emit(facts, ("", " "), title=found.metric.entry.title)
    if found.rows:
        output.emit(
            found.rows,
            found.metric.rows.columns,
            title=f"\n{len(found.rows)} of {found.n_rows} rows of {found.metric.rows.table}",
        )


@app.command("write")
def metrics_write() -> None:
    """Write the data dictionary. Run it after each change of sql/metrics or metadata.yaml."""
    from include.config import files
    from include.metrics import dictionary

    if files.overlay() is None:  # the page describes the shipped metrics
        typer.echo(f"wrote {files.shown(dictionary.write())}")


@app.command("restated")
def metrics_restated(
    metric_id: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest restatements: value before, value now, and reason."""
    from include.metrics import restatement_report

    output.emit(restatement_report.restated(metric_id, limit), restatement_report.RESTATED, as_json=as_json)


@app.command("override")
def metrics_override(
    metric_id: Annotated[str, typer.Argument(metavar="ID")],
    value: Annotated[float, typer.Option("--value", help="Value to show instead.")],
    as_of: Annotated[str, typer.Option("--as-of", help="Last day of the period.")],
    reason: Annotated[str, typer.Option("--reason", help="Reason; stored with the override.")],
    approver: Annotated[str, typer.Option("--approver", help="Approver; must not be the person who enters it.")],
    expires: Annotated[str, typer.Option("--expires", help="First day on which the computed value is shown again.")],
    period: Annotated[str, typer.Option("--period")] = "month",
    grain: Annotated[str, typer.Option("--grain")] = "all",
    key: Annotated[str, typer.Option("--key")] = "all",
) -> None:
    """Override one value until a day. The computed value is kept and shown."""
    from include.metrics import overrides

    day, until = clock.parse_day(as_of, "--as-of"), clock.parse_day(expires, "--expires")
    done = overrides.enter(
        metric_id,
        period,
        day,
        value,
        grain=grain,
        grain_key=key,
        reason=reason,
        entered_by=user.user(),
        approved_by=approver,
        expires_on=until,
    )
    typer.echo(f"override {done.override_id}: {metric_id} of the {period} to {day} is shown as {value:g} until {until}")


@app.command("overrides")
def metrics_overrides(as_json: AsJson = False) -> None:
    """List all overrides, including expired and withdrawn ones."""
    from include.metrics import restatement_report

    output.emit(restatement_report.overridden(), restatement_report.OVERRIDDEN, as_json=as_json)


@app.command("withdraw")
def metrics_withdraw(
    override_id: int, reason: Annotated[str, typer.Option("--reason", help="Reason; stored with the override.")] = ""
) -> None:
    """Withdraw an override."""
    from include.metrics import overrides

    overrides.withdraw(override_id, reason)
    typer.echo(f"override {override_id} withdrawn")


def listing() -> list[dict[str, Any]]:
    """Return the registry, one metric per row."""
    from include.models import metrics

    return [
        {
            "id": metric.id,
            "title": metric.entry.title,
            "level": metric.entry.level,
            "parent": metric.entry.parent,
            "formula": metric.entry.formula,
            "unit": metric.entry.unit,
            "direction": metric.entry.direction,
            "owner": metric.owner,
            "target": "; ".join(f"{period} {target}" for period, target in metric.entry.target.items()),
            "version": metric.entry.version,
            "grain": ", ".join(metric.grains),
            "sensitivity": metric.entry.sensitivity,
            "needs": ", ".join(metric.needs),
            "table": metric.table,
            "numerator": metric.entry.numerator,
            "denominator": metric.entry.denominator,
            "place": metric.place,
        }
        for metric in metrics.load().values()
    ]


def facts_of(found: Explained) -> dict[str, str]:
    """Return the facts about a value, label -> text."""
    entry = found.metric.entry
    facts = {"metric": f"{found.metric.id}, version {entry.version}, {entry.level}", "formula": entry.formula}
    if found.values:
        facts["period"] = f"{found.period} {found.period_start} to {found.as_of}"
        if not found.is_newest:
            facts["period"] += f": the last {found.period} with a value"
        if found.reason:
            facts["later"] = f"not available: {found.reason}"
        facts["group"] = found.grain_key if found.grain == "all" else f"{found.grain} {found.grain_key}"
        for one in found.values:
            name = "value" if one is found.values[0] else f"value, version {one.version}"
            facts[name] = _value_text(one, entry.unit)
        newest = found.values[0]
        facts["calculation"] = _calculation(newest, found)
        facts["n"] = f"{newest.n}, coverage {newest.coverage:.0%}"
        facts |= _history(found)
    else:
        facts["value"] = found.reason
    if found.target:
        facts["target"] = f"{found.target}, {'missed' if found.is_off_target else 'met'}"
    facts["owner"] = found.metric.owner
    facts["parent"] = entry.parent or "none: a core metric"
    facts["lineage"] = " <- ".join(found.lineage)
    facts["registry"] = found.metric.place
    return facts


def as_dict(found: Explained) -> dict[str, Any]:
    """Return an explained value as plain data."""
    return {
        "metric": next(row for row in listing() if row["id"] == found.metric.id),
        "period": found.period,
        "period_start": found.period_start,
        "as_of": found.as_of,
        "grain": found.grain,
        "grain_key": found.grain_key,
        "values": [vars(value) for value in found.values],
        "reason": found.reason,
        "target": str(found.target) if found.target else "",
        "is_off_target": found.is_off_target,
        "counts": found.in_force_value,
        "override": str(found.override) if found.override else "",
        "past": [vars(stage) for stage in found.past],
        "as_known": vars(found.as_known) if found.as_known else None,
        "rows": found.rows,
        "n_rows": found.n_rows,
        "lineage": found.lineage,
    }


def _history(found: Explained) -> dict[str, str]:
    """Return the history of a value: first reported, restated, overridden."""
    unit, lines = found.metric.entry.unit, {}
    if found.override:
        lines["shown as"] = f"{shown(found.override.value, unit)}, {found.override}"
    if found.past:
        first = found.past[0]
        lines["first reported"] = shown(first.value, unit) if first.was_reported else "not reported"
        for number, stage in enumerate(found.past, start=1):
            after = found.past[number].value if number < len(found.past) else found.values[0].value
            lines[f"restated {stage.known_to:%Y-%m-%d %H:%M}"] = f"{shown(after, unit)}: {stage.reason}"
    else:
        lines["first reported"] = "unchanged"
    if found.as_known:
        lines["as known then"] = (
            shown(found.as_known.value, unit) if found.as_known.was_reported else "not reported yet"
        )
    return lines


def _value_text(one: Value, unit: str) -> str:
    interval = f" (95%: {one.low:.1%} to {one.high:.1%})" if one.low is not None and one.high is not None else ""
    return shown(one.value, unit) + interval


def _calculation(one: Value, found: Explained) -> str:
    entry = found.metric.entry
    made = f"{entry.numerator} = {one.numerator:,.2f}"
    if one.denominator is not None:
        made += f"; {entry.denominator} = {one.denominator:,.2f}"
    return f"{made} ({found.metric.table})"
