"""The commands ``playbook simulate`` and ``signals simulate``: a table and an optional page with charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import typer

from include.cli import output
from include.common.errors import ConfigError
from include.config import load as load_settings
from include.decide.playbooks.load import load as load_playbooks
from include.decide.risk import live_risks
from include.decide.signals.load import load as load_signals
from include.decide.signals.scan import unavailable
from include.reports import page
from include.scores import precision
from include.scores.precision import Renewal
from include.simulation import playbooks, signals
from include.simulation.history import History, replayed
from include.simulation.playbooks import Score, Touch

SCORE_COLUMNS = (
    "rule", "touches", "decisions touched", "renewed", "left", "precision", "recall", "lead", "busiest week",
)  # fmt: skip
SIGNAL_COLUMNS = (
    "signal", "opened", "accounts", "worse", "open at the end", "days open", "precision", "recall", "lead",
)  # fmt: skip
_GROUPS = {"risk": "risks", "opportunity": "opportunities", "data": "missing data"}


def simulate_playbook(name: str, first: date, last: date, html: Path | None, as_json: bool) -> None:
    """Replay one playbook, show its touches, and compare it with the plain rule."""
    known = load_playbooks()
    if name not in known:
        raise ConfigError(f"unknown playbook {name}", cure=f"known: {', '.join(known)}")
    rule = known[name]
    known_signals, trigger = load_signals(), rule.file.trigger
    rules = live_risks(known_signals) if trigger.at_risk else {each: known_signals[each] for each in trigger.signals}
    abouts = {rule.about, *(each.about for each in rules.values())}
    with replayed(first, last, abouts) as history:
        past = signals.replay(history, rules)
        touches = playbooks.replay(history, rule, past.episodes)
        settled = _settled(history)
        owners = _owners(history)
    plain = playbooks.plain_rule(settled, owners, first)
    scores = [
        playbooks.score(name, touches, settled),
        playbooks.score(f"everyone at {precision.PLAIN_RULE_DAYS} days", plain, settled),
    ]
    rows = [_score_row(each) for each in scores]
    if as_json:
        typer.echo(output.to_json({"scores": rows, "touches": touches}), nl=False)
    else:
        output.emit([_touch_row(touch, settled) for touch in touches], ("on", "account", "CSM", "cause", "then"))
        typer.echo("")
        output.emit(rows, SCORE_COLUMNS)
    if html:
        html.write_text(_playbook_page(name, first, last, touches, plain, scores, settled), encoding="utf-8")
        typer.echo(f"wrote {html}", err=as_json)


def simulate_signals(names: Sequence[str], first: date, last: date, html: Path | None, as_json: bool) -> None:
    """Replay signals, and show what each would have opened and the alerts per person."""
    known = load_signals()
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown signal {name}", cure=f"known: {', '.join(known)}")
    missing = unavailable(known)
    chosen = {name: known[name] for name in names or known if name not in missing}
    with replayed(first, last, {rule.about for rule in chosen.values()}) as history:
        past = signals.replay(history, chosen)
        settled = _settled(history)
        people = _people(history)
    rows = [_signal_row(name, past, settled) for name in chosen]
    load = past.new_by_person_and_day()
    budget = load_settings().attention.alerts_per_person_and_day
    n_over = sum(number > budget for number in load.values())
    load_text = (
        f"new alerts per person and day: at most {max(load.values(), default=0)} before the budget of {budget};"
        f" {n_over} of {len(load)} days with alerts exceeded it"
    )
    if as_json:
        typer.echo(output.to_json({"signals": rows, "episodes": past.episodes, "load": load_text}), nl=False)
    else:
        output.emit(rows, SIGNAL_COLUMNS)
        typer.echo(load_text)
        for name, why in missing.items():
            typer.echo(f"{name}: {why}")
    if html:
        html.write_text(_signals_page(first, last, past, rows, people, load_text), encoding="utf-8")
        typer.echo(f"wrote {html}", err=as_json)


def _settled(history: History) -> list[Renewal]:
    """Return the settled decisions, except those too early in the period for the plain rule to foresee."""
    since = history.first + timedelta(days=precision.PLAIN_RULE_DAYS)
    return precision.decisions(history.connection, since, history.last)


def _owners(history: History) -> dict[str, str]:
    rows = history.connection.exec_driver_sql(
        "select a.account_key, coalesce(o.name, 'nobody') from core.account as a"
        " left join core.owner as o on o.owner_key = a.owner_key"
    )
    return dict(rows.tuples().all())


def _people(history: History) -> dict[str, str]:
    return dict(history.connection.exec_driver_sql("select owner_key, name from core.owner").tuples().all())


def _score_row(score: Score) -> dict[str, object]:
    return {
        "rule": score.name,
        "touches": sum(score.per_week.values()),
        "decisions touched": f"{score.n_touched} of {score.n_decisions}",
        "renewed": score.n_touched - score.n_lost,
        "left": f"{score.n_lost} of {score.n_all_lost}",
        "precision": page.percent(score.precision),
        "recall": page.percent(score.recall),
        "lead": "-" if score.lead is None else f"{score.lead:.0f} days",
        "busiest week": score.busiest_week,
    }


def _touch_row(touch: Touch, settled: Sequence[Renewal]) -> dict[str, object]:
    return {
        "on": touch.on,
        "account": touch.account_name,
        "CSM": touch.owner,
        "cause": touch.cause,
        "then": _decision_text(touch.account_key, touch.on, settled),
    }


def _decision_text(account_key: str, on: date, settled: Sequence[Renewal]) -> str:
    for one in settled:
        if one.account_key == account_key and on < one.decision <= on + timedelta(days=precision.HORIZON_DAYS):
            return f"{'lost' if one.is_lost else 'renewed'}, decided {one.decision}"
    return "no decision known"


def _signal_row(name: str, past: signals.Replay, settled: Sequence[Renewal]) -> dict[str, object]:
    episodes = [each for each in past.notified if each.signal == name]
    touched: dict[str, list[date]] = {}
    for each in episodes:
        touched.setdefault(each.account_key, []).append(each.opened_on)
    found = precision.measure(name, touched, settled)
    durations = sorted((each.closed_on - each.opened_on).days for each in episodes if each.closed_on)
    return {
        "signal": name,
        "opened": len(episodes),
        "accounts": len({each.account_key for each in episodes}),
        "worse": sum(each.worse_on is not None for each in episodes),
        "open at the end": sum(each.closed_on is None for each in episodes),
        "days open": durations[len(durations) // 2] if durations else "-",
        "precision": page.percent(found.precision),
        "recall": page.percent(found.recall),
        "lead": "-" if found.lead is None else f"{found.lead:.0f} days",
    }


def _playbook_page(
    name: str,
    first: date,
    last: date,
    touches: Sequence[Touch],
    plain: Sequence[Touch],
    scores: Sequence[Score],
    settled: Sequence[Renewal],
) -> str:
    by_week = {score.name: _by_week(score) for score in scores}
    people = sorted({person for score in scores for person, _ in score.per_week})
    load = [(person, *(part for score in scores for part in _load_of(score, person))) for person in people]
    shown = [_touch_row(touch, settled) for touch in touches]
    return page.render(
        f"Playbook {name}, {first} to {last}",
        "Replayed on history as it was known on each day. A touch is a start of the playbook for one account.",
        [
            page.Section(
                "Against the plain rule",
                SCORE_COLUMNS,
                [list(_score_row(score).values()) for score in scores],
                (1, 3, 8),
                "Precision: of the decisions touched, the share that was lost. Recall: of the lost ones, the share"
                f" that was touched before, at most {precision.HORIZON_DAYS} days ahead. Only settled decisions count.",
            ),
            page.Section("Touches by week", chart=page.weeks(f"touches of {name} by week", by_week, first, last)),
            page.Section(
                "Per CSM",
                ("CSM", f"{name}: all", "busiest week", "plain rule: all", "busiest week"),
                load,
                (1, 2, 3, 4),
            ),
            page.Section(
                "Accounts that would have been touched",
                ("on", "account", "CSM", "cause", "then"),
                [list(row.values()) for row in shown],
            ),
        ],
    )


def _by_week(score: Score) -> Counter[date]:
    found: Counter[date] = Counter()
    for (_, week), number in score.per_week.items():
        found[week] += number
    return found


def _load_of(score: Score, person: str) -> tuple[int, int]:
    numbers = [number for (who, _), number in score.per_week.items() if who == person]
    return sum(numbers), max(numbers, default=0)


def _signals_page(
    first: date,
    last: date,
    past: signals.Replay,
    rows: Sequence[dict[str, object]],
    people: dict[str, str],
    load_text: str,
) -> str:
    by_week: dict[str, Counter[date]] = {group: Counter() for group in _GROUPS.values()}
    for each in past.notified:
        week = each.opened_on - timedelta(days=each.opened_on.weekday())
        by_week[_GROUPS[each.kind]][week] += 1
    load = past.new_by_person_and_day()
    persons = sorted({owner for owner, _ in load})
    table = []
    for owner in persons:
        numbers = [number for (who, _), number in load.items() if who == owner]
        table.append((people.get(owner, owner), past.accounts[owner], sum(numbers), max(numbers)))
    return page.render(
        f"Signals, {first} to {last}",
        "Replayed on history as it was known on each day. Conditions already true on the first day are not counted.",
        [
            page.Section("By signal", SIGNAL_COLUMNS, [list(row.values()) for row in rows], range(1, 9)),
            page.Section("Opened by week", chart=page.weeks("signals opened by week", by_week, first, last)),
            page.Section(
                "Per CSM", ("CSM", "accounts", "alerts", "most on one day"), table, (1, 2, 3), text=f"{load_text}."
            ),
        ],
    )
