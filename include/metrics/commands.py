"""``python -m include.cli metrics``: the registry, one value explained, the query written from the registry."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from include import console
from include.errors import ConfigError
from include.metrics.explain import Explained, Value

app = typer.Typer(help="Metrics: what each is, and one value explained.", invoke_without_command=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
COLUMNS = ("id", "level", "parent", "unit", "direction", "owner", "target", "version", "needs", "formula")


@app.callback()
def metrics_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List every metric, one a line."""
    if context.invoked_subcommand:
        return
    console.emit(listing(), COLUMNS, as_json=as_json)


@app.command("show")
def metrics_show(
    metric_id: Annotated[str, typer.Argument(metavar="ID")],
    as_of: Annotated[str, typer.Option("--as-of", help="The last period that ended by this day.")] = "",
    period: Annotated[str, typer.Option("--period", help="day, week, month or quarter.")] = "month",
    grain: Annotated[str, typer.Option("--grain", help="all, tier, csm, industry or region.")] = "all",
    key: Annotated[str, typer.Option("--key", help="Which group of the grain.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many of the rows behind it.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Explain one value down to its rows."""
    from include.metrics.explain import explain

    found = explain(metric_id, period=period, as_of=_day(as_of), grain=grain, key=key, limit=limit)
    if as_json:
        typer.echo(console.to_json(as_dict(found)), nl=False)
        return
    facts = [{"": name, " ": value} for name, value in facts_of(found).items()]
    console.emit(facts, ("", " "), title=found.metric.entry.title)
    if found.rows:
        console.emit(
            found.rows,
            found.metric.rows.columns,
            title=f"\n{len(found.rows)} of {found.n_rows} rows of {found.metric.rows.table}",
        )


@app.command("write")
def metrics_write() -> None:
    """Write the query of marts.kpi_value from the registry; after every change of sql/metrics."""
    from include.config import files
    from include.metrics import kpi_query

    typer.echo(f"wrote {files.shown(kpi_query.write())}")


def listing() -> list[dict[str, Any]]:
    """Return the registry, one metric a row."""
    from include.warehouse import metrics

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
    """Return what is said about a value, line by line."""
    entry = found.metric.entry
    facts = {"metric": f"{found.metric.id}, version {entry.version}, {entry.level}", "formula": entry.formula}
    if found.values:
        facts["period"] = f"{found.period} {found.period_start} to {found.as_of}"
        facts["group"] = found.grain_key if found.grain == "all" else f"{found.grain} {found.grain_key}"
        for one in found.values:
            name = "value" if one is found.values[0] else f"value, version {one.version}"
            facts[name] = _worth(one, entry.unit)
        newest = found.values[0]
        facts["made of"] = _made_of(newest, found)
        facts["n"] = f"{newest.n}, coverage {newest.coverage:.0%}"
    else:
        facts["value"] = found.because
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
        "because": found.because,
        "target": str(found.target) if found.target else "",
        "is_off_target": found.is_off_target,
        "rows": found.rows,
        "n_rows": found.n_rows,
        "lineage": found.lineage,
    }


def shown(value: float | None, unit: str) -> str:
    """Return a value as people read it."""
    if value is None:
        return "none: nothing to divide by"
    return f"{value:.1%}" if unit == "share" else f"{value:,.2f}".removesuffix(".00")


def _worth(one: Value, unit: str) -> str:
    interval = f" (95%: {one.low:.1%} to {one.high:.1%})" if one.low is not None and one.high is not None else ""
    return shown(one.value, unit) + interval


def _made_of(one: Value, found: Explained) -> str:
    entry = found.metric.entry
    made = f"{entry.numerator} = {one.numerator:,.2f}"
    if one.denominator is not None:
        made += f"; {entry.denominator} = {one.denominator:,.2f}"
    return f"{made} ({found.metric.table})"


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no day", cure="write it as 2026-01-31") from None
