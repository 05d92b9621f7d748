"""The command ``analysis``: questions about all customers, and what to do about the answers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.cli import growth, output, triage
from include.common.errors import ConfigError

app = typer.Typer(
    help="Analyses: features that go with renewal, segments of small accounts, tickets, the funnel, channels.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_FEATURES = (
    "feature", "verdict", "with", "without", "dropped", "crude", "points", "low", "high", "by_arr", "p", "p_adjusted",
    "e_value", "doses", "after_contact",
)  # fmt: skip
_SEGMENTS = (
    "account_key", "account_name", "segment", "recency_days", "n_active_days", "paid", "recency", "frequency", "money",
    "arr",
)  # fmt: skip
_BENCHMARK = (
    "industry", "rank", "account_key", "name", "tier", "arr", "consent", "asked_on", "milestones_on_time", "breadth",
    "depth", "active_seat_share", "days_as_customer", "band_since", "coverage", "nps_median", "good_rating_share",
)  # fmt: skip
_DIFFERENCES = ("feature", "is_shown", "n", "share", "peer_share", "standardised", "p_adjusted")
_UNUSED = ("account_key", "account_name", "owner_name", "tier", "arr", "days_to_decision", "feature", "points")


app.command("triage")(triage.show)
app.command("funnel")(growth.show_funnel)
app.command("channels")(growth.show_channels)
app.command("campaigns")(growth.show_campaigns)


@app.command("features")
def list_features(
    account: Annotated[
        str, typer.Option("--unused-by", help="List unused features instead: of one account, or of `all` customers.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Also store the result under last month.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare renewals with and without each feature, within tier, age and total use. Rates are in points."""
    from include import config
    from include.analyses import feature_store, features
    from include.reports import periods
    from include.warehouse.engine import engine

    if account:
        with engine("reader").connect() as connection:
            rows = feature_store.unused(connection, None if account == "all" else [account])
        output.emit([{**row, "points": output.points(row["difference"])} for row in rows], _UNUSED, as_json=as_json)
        return
    with engine("builder").begin() as connection:
        found = feature_store.read(connection)
        if keep:
            feature_store.keep(connection, found, periods.last_month().first)
    if not as_json and not found.is_available:
        typer.echo(
            f"not available: {found.n_losses} of {features.FEWEST_LOSSES} lost renewals with known use"
            f" ({found.n_renewals} renewals; {found.n_unknown} without known use)"
        )
        return
    output.emit([_row(one) for one in found.findings], _FEATURES, as_json=as_json)
    if not as_json:
        proposed = features.proposal(found.findings, config.load().usage.key_features)
        for line, names in (
            ("to add to key_features in usage.yaml", proposed["add"]),
            ("key features that go with renewal", proposed["confirmed"]),
            ("key features without evidence", proposed["no_evidence"]),
        ):
            typer.echo(f"{line}: {', '.join(names) or 'none'}")


@app.command("benchmark")
def list_benchmark_customers(
    industry: Annotated[str, typer.Option("--industry", help="Only this industry.")] = "",
    features: Annotated[
        bool, typer.Option("--features", help="List what benchmark customers use more or less than like customers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the customers of each industry that others could learn from, at the newest month end."""
    from dataclasses import asdict

    from include.analyses import benchmark
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        if features:
            rows = [asdict(one) for one in benchmark.differences(connection, industry)]
            columns: tuple[str, ...] = _DIFFERENCES
        else:
            found = [asdict(one) for one in benchmark.read(connection) if industry in ("", one.industry)]
            rows = [{**one.pop("evidence"), **one} for one in found]
            columns = _BENCHMARK
    output.emit(rows, columns, as_json=as_json)
    if features and not rows and not as_json:
        typer.echo(f"not available: fewer than {benchmark.FEWEST} benchmark customers have a like customer")


@app.command("rfm")
def list_segments(
    segment: Annotated[str, typer.Option("--segment", help="Only accounts of this segment of segments.yaml.")] = "",
    as_json: AsJson = False,
) -> None:
    """List small accounts by recency, frequency and money at the newest month end, with their segment."""
    from include import config
    from include.analyses import segments
    from include.warehouse.engine import engine

    known = config.load().segments.names
    if segment and segment not in known:
        raise ConfigError(f"unknown segment {segment}", cure=f"known: {', '.join(known)}")
    with engine("reader").connect() as connection:
        rows = segments.accounts(connection)
    output.emit([row for row in rows if segment in ("", row["segment"])], _SEGMENTS, as_json=as_json)
    if not as_json:
        for group in segments.groups(rows):
            typer.echo(f"{group.name or 'use not known'}: {group.n} accounts, ARR {group.arr:,.0f}")


def _row(found: Any) -> dict[str, object]:
    effect, behaviour = found.effect, found.behaviour
    return {
        "feature": found.name,
        "verdict": found.verdict,
        "with": found.n_with,
        "without": found.n_without,
        "dropped": behaviour.n_dropped,
        "crude": output.points(found.crude),
        "points": output.points(effect.interval.share) if effect else None,
        "low": output.points(effect.interval.low) if effect else None,
        "high": output.points(effect.interval.high) if effect else None,
        "by_arr": output.points(found.by_arr),
        "p": None if found.p is None else round(found.p, 4),
        "p_adjusted": None if found.p_adjusted is None else round(found.p_adjusted, 4),
        "e_value": round(effect.e_value, 2) if effect else None,
        "doses": " ".join(f"{kept / n:.0%}" if n else "-" for kept, n in behaviour.doses),
        "after_contact": f"{behaviour.n_begun_after_contact} of {behaviour.n_begun}",
    }
