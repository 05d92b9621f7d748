"""The command ``score``: health, customer value and tiers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import typer

from include.cli import output
from include.common import clock, user

app = typer.Typer(help="Health score, customer value, tiers and renewal forecast.", no_args_is_help=True)
Account = Annotated[str, typer.Argument(help="The account's key: source and id, such as crm:1001.")]
By = Annotated[str, typer.Option("--by", help="Who decided it; you by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_PARTS = ("measure", "points", "lost", "sub_score", "weight", "fresh", "evidence")
_METHODS = ("method", "days_before", "n", "n_lost", "auc", "low", "high", "lift", "brier", "slope", "ece")
_RULES = ("rule", "precision", "all", "recall", "lead", "touched", "lost")
_OVERRIDES = (
    "account_key", "from_day", "until", "given_by", "score", "band", "computed", "computed_band", "decision_date",
    "outcome", "right",
)  # fmt: skip
_CHANGES = (
    "account_key", "score_before", "score_after", "band_before", "band_after", "cause", "kind", "change", "before",
    "after",
)  # fmt: skip
_LINES = ("cause", "kind", "change", "before", "after")
_DIMENSIONS = ("dimension", "points", "score", "weight", "known_on", "evidence")
_PROPOSALS = ("account", "name", "kind", "from_tier", "to_tier", "score", "reason", "changes")
_GAPS = ("figure", "score", "n_accounts", "n_needed", "arr")
_PROFILES = ("account_key", "share", "n_needed", "missing")


@app.command("show")
def show_score(
    account: Account,
    as_of: Annotated[str, typer.Option("--as-of", help="A day, YYYY-MM-DD; the newest by default.")] = "",
    since: Annotated[str, typer.Option("--since", help="Explain the change since this day instead.")] = "",
    known_at: Annotated[
        str, typer.Option("--known-at", help="A time: the score as known then; with --since, the earlier score.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Explain an account's health score, or its change. The lines add up to it."""
    from include.scores.health import explanation

    day = clock.parse_day(as_of, "--as-of") if as_of else None
    then = clock.parse_time(known_at, "--known-at") if known_at else None
    if since:
        change = explanation.of_change(account, clock.parse_day(since, "--since"), day, known_at=then)
        if as_json:
            typer.echo(output.to_json(asdict(change)), nl=False)
            return
        output.emit([asdict(line) for line in change.lines], _LINES)
        typer.echo(change.sentence)
        return
    found = explanation.of_day(account, day, known_at=then, with_children=then is None)
    if as_json:
        typer.echo(output.to_json(asdict(found)), nl=False)
        return
    output.emit([asdict(part) for part in found.parts], _PARTS)
    for line in found.sentences:
        typer.echo(line)
    if found.children:
        typer.echo(found.children.sentence)


@app.command("changes")
def list_changes(
    period: Annotated[Literal["week", "month"], typer.Option("--period", help="Period to list.")] = "week",
    keep: Annotated[bool, typer.Option("--keep", help="First store the changes of last week and last month.")] = False,
    as_json: AsJson = False,
) -> None:
    """List why scores changed in the newest week or month, for accounts that moved 3 points or changed band."""
    from include import config
    from include.scores.health import changes
    from include.warehouse.engine import engine

    if keep:
        for each in changes.PERIODS:
            changes.keep(each, config.today())
    with engine("reader").connect() as connection:
        found = changes.read(connection, period)
    output.emit(found, _CHANGES, as_json=as_json)


@app.command("pulse")
def give_pulse(
    account: Account,
    score: Annotated[int, typer.Argument(help="1 (bad) to 5 (good).")],
    why: Annotated[str, typer.Option("--why", help="Reason; stored with the pulse.")],
    by: By = "",
) -> None:
    """Record the CSM's pulse for an account. It counts in the score for 90 days."""
    from include import config
    from include.scores.health import judgements

    judgements.pulse(account, score, why=why, by=by or user.user(), day=config.today())
    typer.echo(f"pulse {score} of {account} is recorded; it takes effect with the next build")


@app.command("override")
def override_score(
    account: Account,
    score: Annotated[float | None, typer.Argument(help="Score to show, 0 to 100.")] = None,
    band: Annotated[str, typer.Option("--band", help="Band to show instead of a score: red, yellow or green.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Reason; stored with the override.")] = "",
    days: Annotated[int, typer.Option("--days", help="Number of days, at most 60.", min=1, max=60)] = 30,
    by: By = "",
) -> None:
    """Override the shown score or band for some days. Forecasts and backtests keep the computed one."""
    from include import config
    from include.scores.health import judgements

    today = config.today()
    override = judgements.override(
        account,
        None if score is None else Decimal(str(score)),
        band,
        reason=reason,
        by=by or user.user(),
        day=today,
        until=today + timedelta(days=days),
    )
    typer.echo(f"{account} shows {override.band or override.score} until {override.until - timedelta(days=1)}")


@app.command("lift")
def lift_override(account: Account, by: By = "") -> None:
    """End an account's override."""
    from include import config
    from include.scores.health import judgements

    is_ended = judgements.lift(account, config.today(), by=by or user.user())
    typer.echo(f"{account} shows its computed score again" if is_ended else f"{account} has no override")


@app.command("overrides")
def list_overrides(as_json: AsJson = False) -> None:
    """List all overrides, and who was right about settled renewals: the person or the score."""
    from include.scores.health import overrides
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = overrides.read(connection)
    output.emit([asdict(one) for one in found], _OVERRIDES, as_json=as_json)
    if not as_json:
        typer.echo(overrides.summary(found))


@app.command("backtest")
def judge_score(
    segment: Annotated[
        Literal["all", "tier"], typer.Option("--segment", help="Show figures per tier instead of overall.")
    ] = "all",
    as_json: AsJson = False,
) -> None:
    """Backtest the health score and each single measure, and store the result under last month."""
    from include.reports import periods
    from include.scores.health import record

    found = record.run(periods.last_month().first)
    if as_json:
        typer.echo(output.to_json(asdict(found)), nl=False)
        return
    rows = [
        {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in asdict(one).items()}
        for one in found.judged
        if (one.segment == "all") == (segment == "all")
    ]
    output.emit(rows, _METHODS if segment == "all" else ("segment", *_METHODS))
    typer.echo(
        f"{found.n_losses} losses settled, {found.n_left_out} renewals left out; not calibrated below 30 losses"
        if found.n_losses < 30
        else f"{found.n_losses} losses settled, {found.n_left_out} renewals left out"
    )
    for warning in found.warnings:
        typer.echo(f"below the minimum: {warning}")


@app.command("alerts")
def judge_alerts(as_json: AsJson = False) -> None:
    """Measure each signal and playbook against the renewals that followed its episodes."""
    from include.scores import precision
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = precision.of_history(connection, clock.now().date())
    rows = [
        {
            "rule": one.name,
            "precision": _share(one.precision),
            "all": _share(one.base),
            "recall": _share(one.recall),
            "lead": "-" if one.lead is None else f"{one.lead:.0f} days",
            "touched": f"{one.n_touched} of {one.n_decisions}",
            "lost": f"{one.n_lost} of {one.n_all_lost}",
        }
        for one in found
    ]
    output.emit(rows, _RULES, as_json=as_json)
    if not as_json:
        typer.echo(
            f"precision: share lost of renewals with an episode up to {precision.HORIZON_DAYS} days before decision;"
            " all: share lost of all renewals; a rule is measured from 90 days after it first opened"
        )


@app.command("learn")
def learn_weights(
    out: Annotated[Path, typer.Option("--out", help="File to write the proposal to.")] = Path("health.proposed.yaml"),
    profile: Annotated[
        str, typer.Option("--profile", help="Name of the profile; the default profile if omitted.")
    ] = "",
) -> None:
    """Propose weights learned from settled renewals, as a file. Needs 30 losses."""
    from include.scores.health import proposal

    today = clock.now().date()
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    found = proposal.propose(profile, first)
    out.write_text(found.text, encoding="utf-8")
    output.emit(
        [{"measure": name, "now": now, "proposed": new} for name, (now, new) in found.weights.items()],
        ("measure", "now", "proposed"),
    )
    for days, (now, new) in found.auc.items():
        if now is not None and new is not None:
            typer.echo(f"AUC at T-{days}: {now:.2f} now, {new:.2f} proposed")
    middle, low, high = found.gain
    typer.echo(f"over all checkpoints {middle:+.3f} ({low:+.3f} to {high:+.3f}), from {found.n_losses} losses")
    typer.echo(f"{found.n_moved} accounts with {found.arr_moved:,.0f} ARR would change their band")
    typer.echo(f"wrote {out}: review it, and copy it to sql/health/ of your overlay to accept it")


@app.command("value")
def show_value(
    account: Account,
    as_of: Annotated[str, typer.Option("--as-of", help="The last day of a month; the newest by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Explain an account's customer value. The points add up to it."""
    from include.scores.value import explanation

    found = explanation.of_account(account, clock.parse_day(as_of, "--as-of") if as_of else None)
    if as_json:
        typer.echo(output.to_json(asdict(found)), nl=False)
        return
    output.emit([asdict(part) for part in found.parts], _DIMENSIONS)
    for line in found.sentences:
        typer.echo(line)


@app.command("tiers")
def list_tiers(as_json: AsJson = False) -> None:
    """List proposed tier changes, accounts that wait for a place, and protected accounts."""
    from include.config import load
    from include.scores.value import proposals
    from include.warehouse.engine import engine

    settings = load()
    with engine("reader").connect() as connection:
        listed = proposals.read(connection, settings, clock.now().date())
    rows = [
        {
            "account": each.candidate.account_key,
            "name": each.candidate.name,
            "kind": each.kind,
            "from_tier": each.candidate.tier or "none",
            "to_tier": each.to_tier,
            "score": each.score,
            "reason": each.reason,
            "changes": proposals.changes(settings, each.candidate.tier, each.to_tier),
        }
        for each in listed.found
    ]
    output.emit(rows, _PROPOSALS, as_json=as_json)
    if not as_json:
        for line in listed.sentences:
            typer.echo(line)


@app.command("completeness")
def show_completeness(
    limit: Annotated[int, typer.Option("--limit", help="Number of least complete accounts to list.", min=0)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show how complete the scores' data is, and which figures are missing most."""
    from include.scores import completeness

    found = completeness.read()
    if as_json:
        typer.echo(output.to_json(asdict(found) | {"share": found.share}), nl=False)
        return
    output.emit([asdict(gap) for gap in found.gaps], _GAPS, title="Missing most")
    rows = [
        asdict(each) | {"share": f"{each.share:.0%}", "missing": ", ".join(each.missing)} for each in found.accounts
    ]
    output.emit(rows[:limit], _PROFILES, title="Least complete")
    if found.share is None:
        typer.echo("There are no accounts with a score yet.")
    else:
        typer.echo(f"{found.share:.0%} of the data that the scores need is known, over {len(found.accounts)} accounts.")
    if found.not_connected:
        typer.echo(f"No source provides {', '.join(found.not_connected)}: left out of all scores.")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
