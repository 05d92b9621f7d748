"""The command ``experiments``: what hold-outs show, and what they could show."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from include.cli import output
from include.common.errors import ConfigError

app = typer.Typer(help="Experiments: whether a playbook or touch works, by its hold-out.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The playbook or touch.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_LIST = ("rule", "status", "hold_out", "verdict", "difference", "low", "high", "n", "open", "shows", "ends_on")
_PLAN = (
    "playbook", "hold_out", "renewals_a_year", "base", "design_effect", "shows_in_a_year", "effect", "n_needed",
    "not_before", "reason",
)  # fmt: skip


@app.command("list")
def list_experiments(as_json: AsJson = False) -> None:
    """List all playbooks, and the touches with a hold-out, with the effect that it shows. Rates are in points."""
    from include.experiments import overview
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = overview.read(connection, overview.of(""))
    output.emit([_row(entry) for entry in found.values()], _LIST, as_json=as_json)


@app.command("show")
def show_experiment(name: Name, as_json: AsJson = False) -> None:
    """Read out one experiment: verdict, intervals, arms, and what limits them."""
    from include.experiments import overview, words
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        entry = overview.read(connection, overview.of(name))[name]
    if as_json:
        found = entry.reading or entry.plan
        typer.echo(output.to_json(asdict(found) if found else {}), nl=False)
        return
    for sentence in words.of(entry):
        typer.echo(sentence)


@app.command("plan")
def plan_experiment(
    name: Annotated[str, typer.Argument(help="The playbook; all by default.")] = "",
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share to hold out, instead of the file's.")] = 0,
    effect: Annotated[
        float, typer.Option("--effect", help="Gain of the renewal rate that is worth knowing, such as 0.1.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Plan a hold-out: renewals a year from history, the smallest effect that they show, and the earliest answer."""
    from include.experiments import overview, words
    from include.warehouse.engine import engine

    if not 0 <= hold_out < 1 or not 0 <= effect < 1:
        raise ConfigError("--hold-out and --effect are shares from 0 to 1", cure="write 0.1 for 10%")
    with engine("reader").connect() as connection:
        found = overview.read(connection, overview.of(name), hold_out=hold_out, effect=effect, is_plan=True)
    plans = [entry.plan for entry in found.values() if entry.plan]
    if not plans:
        typer.echo("no tables have been built yet")
        return
    output.emit([_plan_row(plan) for plan in plans], _PLAN, as_json=as_json)
    if name and not as_json:
        for sentence in words.planned(plans[0]):
            typer.echo(sentence)


@app.command("judge")
def judge_experiments() -> None:
    """Store the read-out of each experiment under its day and report new verdicts, as judge_experiments does weekly."""
    from include.orchestration import experiment_notices

    kept = experiment_notices.judge()
    for name, verdict in kept.items():
        typer.echo(f"{name}: {verdict}")
    if not kept:
        typer.echo("no live playbook or touch has a hold-out with figures")


def _row(entry: Any) -> dict[str, object]:
    reading = entry.reading
    row: dict[str, object] = {
        "rule": entry.rule.name,
        "status": entry.rule.status,
        "hold_out": entry.rule.hold_out,
        "verdict": reading.verdict if reading else entry.last.verdict if entry.last else "not_measured",
    }
    if not reading:
        return row | {"shows": output.points(entry.plan.detectable) if entry.plan else None}
    counts, effect = reading.counts, reading.effect
    return row | {
        "difference": output.points(effect.share) if effect else None,
        "low": output.points(effect.low) if effect else None,
        "high": output.points(effect.high) if effect else None,
        "n": sum(arm.settled for arm in counts.at_end),
        "open": counts.acted.n_open + counts.held_out.n_open,
        "shows": output.points(reading.detectable),
        "ends_on": reading.design.ends_on,
    }


def _plan_row(plan: Any) -> dict[str, object]:
    return {
        "playbook": plan.playbook,
        "hold_out": plan.hold_out,
        "renewals_a_year": None if plan.n_per_year is None else round(plan.n_per_year),
        "base": output.points(plan.base),
        "design_effect": round(plan.design_effect, 2),
        "shows_in_a_year": output.points(plan.detectable),
        "effect": output.points(plan.effect),
        "n_needed": None if plan.n_needed is None else round(plan.n_needed),
        "not_before": plan.answered_on,
        "reason": plan.reason,
    }
