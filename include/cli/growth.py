"""The commands ``analysis funnel``, ``channels`` and ``campaigns``: where customers come from or get lost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from include.cli import output

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_EDGES = ("stage", "next_stage", "days", "n_entered", "n_reached", "rate", "target", "median_days", "n_young", "loss")
_STEPS = (
    "stage", "entry_no", "entered_on", "evidence_table", "evidence_key", "evidence_field", "rule_version", "known_from",
)  # fmt: skip
_PATHS = ("path", "n", "share", "median_days")
_REFERRERS = ("account_key", "account_name", "n_referred", "n_customers", "last_on")
_CHANNELS = (
    "channel", "cost", "leads", "qualified", "won", "conversion", "cost_per_lead", "cost_per_qualified",
    "cost_per_customer", "payback_months", "kept_a_year", "young", "never_converts",
)  # fmt: skip
_CAMPAIGNS = (
    "campaign", "ends_on", "settled", "leads", "qualified", "won", "cost", "wanted", "reached_goal", "goal", "result",
    "cause", "rule", "due",
)  # fmt: skip


def show_funnel(
    account: Annotated[str, typer.Option("--account", help="List an account's stages with their evidence.")] = "",
    paths: Annotated[bool, typer.Option("--paths", help="List the features used until the first value event.")] = False,
    referrers: Annotated[bool, typer.Option("--referrers", help="List accounts that referred others.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how many get from one stage to the next in time. A month whose days are not over is not judged."""
    from include import config
    from include.analyses import funnel, growth
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        if account:
            output.emit(growth.steps(connection, account), _STEPS, as_json=as_json)
            return
        if referrers:
            output.emit(growth.referrers(connection), _REFERRERS, as_json=as_json)
            return
        if paths:
            output.emit([vars(one) for one in growth.paths(connection)], _PATHS, as_json=as_json)
            return
        edges, missing = growth.edges(connection, config.load(), config.today()), growth.missing(connection)
    output.emit([{**vars(one), "rate": one.rate} for one in edges], _EDGES, as_json=as_json)
    if not as_json:
        worst = funnel.bottleneck(edges)
        typer.echo(f"bottleneck: {f'{worst.stage} to {worst.next_stage}' if worst else 'none'}")
        typer.echo(f"not available: {', '.join(missing) or 'none'}")


def show_channels(
    attribution: Annotated[
        Literal["first", "last"], typer.Option("--attribution", help="By first or last touch.")
    ] = "first",
    as_json: AsJson = False,
) -> None:
    """Show what channels cost and bring, over the twelve newest months whose leads had 180 days."""
    from include import config
    from include.analyses import growth
    from include.warehouse.engine import engine

    settings = config.load()
    with engine("reader").connect() as connection:
        found = growth.by_attribution(connection, settings, config.today(), attribution)
        missing = growth.missing(connection)
    rows = [
        {
            "channel": one.name,
            "leads": one.n_leads,
            "qualified": one.n_qualified,
            "won": one.n_won,
            "payback_months": one.payback_months(settings.kpis.gross_margin),
            "kept_a_year": one.kept,
            "young": one.n_young,
            **{
                name: getattr(one, name)
                for name in _CHANNELS
                if name in ("cost", "conversion", "never_converts") or name.startswith("cost_per")
            },
        }
        for one in found
    ]
    output.emit(rows, _CHANNELS, as_json=as_json)
    if not as_json:
        typer.echo(f"not available: {', '.join(missing) or 'none'}")


def show_campaigns(as_json: AsJson = False) -> None:
    """Show what campaigns were for, what Perennial counted, and what a person still has to fill in."""
    from include import config
    from include.analyses import growth
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = growth.campaigns(connection, config.load(), config.today())
    output.emit([_campaign(one) for one in found], _CAMPAIGNS, as_json=as_json)


def _campaign(one: Any) -> dict[str, object]:
    written, counted = one.campaign, one.counted
    return {
        "campaign": written.name,
        "ends_on": written.ends_on,
        "settled": one.is_settled,
        "leads": counted and counted.n_leads + counted.n_young,
        "qualified": counted.n_qualified if counted and one.is_settled else None,
        "won": counted.n_won if counted and one.is_settled else None,
        "cost": counted and counted.cost,
        "reached_goal": one.reached_goal,
        "due": ", ".join(written.missing) if one.is_due else "",
        **{name: getattr(written, name) for name in ("wanted", "goal", "result", "cause", "rule")},
    }
