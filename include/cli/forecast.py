"""The command ``score forecast`` and its lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from include.cli import output
from include.common.errors import ConfigError

if TYPE_CHECKING:
    from include.scores.forecast.lines import Line

Group = Annotated[str, typer.Option("--group", help="Group by csm, tier or category; no groups by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
_TOTAL = ("group", "n", "target", "expected", "share", "p10", "p50", "p90", "by_category", "after_contraction")
_LINES = ("account", "csm", "decision", "target", "category", "band", "p", "expected", "reason")
_DISAGREEMENT = ("account", "csm", "decision", "target", "reason")
_WEEK = ("week", "decisions", "reminded", "at_stake", "red", "yellow", "green", "unknown", "holidays")
_CALLS = ("quarter", "csm", "call", "expected", "p10", "p90", "actual", "reason")
_ACCURACY = ("group", "checkpoint", "method", "n", "brier", "forecast", "renewed", "error")


def show(
    quarter: Annotated[
        str,
        typer.Option("--quarter", help="Such as 2026Q3: the current quarter (the default) or one of the next three."),
    ] = "",
    group: Group = "",
    with_lines: Annotated[bool, typer.Option("--lines", help="List the renewals with reasons instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast the renewals of a quarter, with an 80% interval."""
    from include.common import quarters
    from include.scores.forecast import by_quarter, past, totals
    from include.scores.forecast import lines as reading
    from include.warehouse.engine import engine

    _check(group, totals.GROUPS)
    with engine("reader").connect() as connection:
        known = reading.read(connection)
        frozen = past.read(connection)
    if not known:
        typer.echo("no renewal is due in this quarter or the next three")
        return
    this = quarters.start(known[0].as_of)
    one = by_quarter.of(_start(quarter, this) if quarter else this, known, frozen)
    if with_lines:
        _emit([_shown(line) for line in one.lines], _LINES, _title(known[0], one.label), as_json)
        return
    groups = totals.by_group(one.lines, group, one.scale) if group else []
    whole = one.total
    if as_json:
        found = {
            "quarter": one.label,
            "as_of": known[0].as_of,
            "currency": known[0].currency,
            "interval": one.scale.label,
            "total": asdict(whole),
            "groups": [asdict(each) for each in groups],
        }
        typer.echo(output.to_json(found), nl=False)
        return
    shares = ("-" if each.share is None else f"{each.share:.2%}" for each in [*groups, whole])
    rows = [{**asdict(each), "share": share} for each, share in zip([*groups, whole], shares, strict=True)]
    _emit(rows, _TOTAL, _title(known[0], one.label), False)
    typer.echo(f"interval {one.scale.label}")
    late = [line for line in known if line.quarter_start < this]
    if late:
        amount = _money(sum((line.target for line in late), Decimal()))
        typer.echo(f"not included: {len(late)} open renewals of earlier quarters, {known[0].currency} {amount}")


def disagreements(as_json: AsJson = False) -> None:
    """List open renewals that the CRM's category or the CSM's pulse rates better than the health score."""
    from include.scores.forecast import lists

    known = _read()
    rows = [{**_shown(one.line), "reason": one.reason} for one in lists.disagreements(known)]
    _emit(rows, _DISAGREEMENT, _title(known[0]) if known else "", as_json)


def calendar(
    weeks: Annotated[int, typer.Option("--weeks", help="Number of weeks ahead.", min=1)] = 26, as_json: AsJson = False
) -> None:
    """List decision dates by week: renewals, reminders sent, ARR per health band, and public holidays."""
    from include.scores.forecast import lines as reading
    from include.scores.forecast import lists
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        known, reminded = reading.read(connection), reading.reminded(connection)
    rows = [
        {
            "week": week.starts or "passed",
            "decisions": week.n,
            "reminded": week.n_reminded,
            "at_stake": week.at_stake,
            **week.by_band,
            "holidays": ", ".join(week.holidays),
        }
        for week in lists.calendar(known, reminded, weeks)
    ]
    _emit(rows, _WEEK, _title(known[0]) if known else "", as_json)


def call(
    quarter: Annotated[str, typer.Argument(help="Such as 2026Q3.")],
    amount: Annotated[float, typer.Argument(help="Renewed ARR that the CSM expects.", min=0)],
    csm: Annotated[str, typer.Option("--csm", help="The CSM in the CRM, such as crm:7.")],
    by: Annotated[str, typer.Option("--by", help="Who enters it; you by default.")] = "",
) -> None:
    """Record the renewed ARR that a CSM expects of a quarter."""
    from include import config
    from include.common import quarters, user
    from include.scores.forecast import calls

    start = quarters.parse(quarter)
    calls.give(csm, start, Decimal(str(amount)), by=by or user.user(), day=config.today())
    typer.echo(f"{csm} calls {_money(amount)} for {quarter}")


def list_calls(as_json: AsJson = False) -> None:
    """Compare calls with the forecast, and calls of finished quarters with the actual ARR."""
    from include.common import quarters
    from include.scores.forecast import by_quarter, calls, past
    from include.scores.forecast import lines as reading
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        given, known, frozen = calls.read(connection), reading.read(connection), past.read(connection)
    rows = [
        {
            "quarter": one.label, "csm": each.call.csm, "call": each.call.amount, "expected": each.total.expected,
            "p10": each.total.p10, "p90": each.total.p90, "actual": None, "reason": each.reason,
        }
        for one in by_quarter.ahead(known, frozen)
        for each in calls.against(one, given)
    ]  # fmt: skip
    rows += [
        {
            "quarter": quarters.label(each.call.quarter_start), "csm": each.call.csm, "call": each.call.amount,
            "expected": each.forecast, "p10": None, "p90": None, "actual": each.actual, "reason": "",
        }
        for each in calls.judge(given, frozen)
    ]  # fmt: skip
    _emit(rows, _CALLS, _title(known[0]) if known else "", as_json)


def accuracy(group: Group = "", as_json: AsJson = False) -> None:
    """Compare the accuracy of forecasts by category, by band and by both."""
    from include.scores.forecast import past
    from include.warehouse.engine import engine

    _check(group, past.GROUPS)
    with engine("reader").connect() as connection:
        frozen = past.read(connection)
    found = past.accuracy(frozen, group)
    if as_json:
        output.emit([asdict(one) for one in found], _ACCURACY, as_json=True)
        return
    rows = [
        {
            **asdict(one),
            "brier": f"{one.brier:.4f}",
            "forecast": _money(one.forecast),
            "renewed": _money(one.renewed),
            "error": "-" if one.error is None else f"{one.error:+.1%}",
        }
        for one in found
    ]
    output.emit(rows, _ACCURACY)
    typer.echo(f"{len(frozen)} forecasts frozen, {sum(one.is_settled for one in frozen)} of them settled")


def _emit(rows: Sequence[dict[str, Any]], columns: Sequence[str], title: str, as_json: bool) -> None:
    """Write rows. Amounts are formatted, except in JSON."""
    shown = [{name: _money(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in rows]
    output.emit(rows if as_json else shown, columns, title=title, as_json=as_json)


def _read() -> list[Line]:
    from include.scores.forecast import lines as reading
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        return reading.read(connection)


def _shown(line: Line) -> dict[str, Any]:
    from include.scores import rounding

    return {
        "account": line.account,
        "csm": line.csm,
        "decision": line.decision_date,
        "target": line.target,
        "category": line.category,
        "band": line.band,
        "p": round(line.p, 4),
        "expected": rounding.cents(float(line.amount) * line.p),
        "reason": line.reason,
    }


def _title(line: Line, quarter: str = "") -> str:
    of_quarter = f"{quarter}, " if quarter else ""
    return f"{of_quarter}{line.currency}, as of {line.as_of}"


def _money(amount: float | Decimal) -> str:
    return f"{amount:,.2f}".removesuffix(".00")


def _check(group: str, known: Iterable[str]) -> None:
    if group and group not in set(known):
        raise ConfigError(f"unknown --group {group!r}", cure=f"write {', '.join(known)}")


def _start(text: str, this: date) -> date:
    from include.common import quarters
    from include.scores.forecast import by_quarter

    start = quarters.parse(text)
    if start not in by_quarter.starts(this):
        raise ConfigError(
            f"--quarter {quarters.label(start)} is not forecast",
            cure=f"choose {quarters.label(this)} or one of the next three; for past quarters, see `score accuracy`",
        )
    return start
