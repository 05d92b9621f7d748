"""The forecast on a real PostgreSQL: the worked example, evaluation of frozen forecasts, and the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.cli.main import app
from include.scores.forecast import lines, lists, past, totals
from include.scores.forecast.past import BAND, BOTH, CATEGORY
from include.warehouse.engine import engine
from tests.fixtures.databases import database
from tests.sql import cases

NEWEST = date(2026, 11, 30)
GREEN, YELLOW, RED = (True, True), (True, False), (False, False)
# Account -> target, category, configured probability, above the edges of yellow and green.
DUE: dict[str, tuple[int, str, float, tuple[bool, bool]]] = {
    "A": (120_000, "commit", 0.9, GREEN),
    "B": (60_000, "best_case", 0.7, YELLOW),
    "C": (40_000, "commit", 0.9, RED),
    "D": (25_000, "won", 1.0, GREEN),
    "E": (15_000, "committed_churn", 0.0, RED),
}
RECORDS = {("commit", "green"): (96, 112), ("best_case", "yellow"): (41, 60), ("commit", "red"): (9, 24)}
# Quarter start -> renewed amount of two renewals, 100 and 60, both with 0.5; None while open.
FROZEN: dict[date, tuple[int | None, int | None]] = {
    date(2025, 1, 1): (100, 0),
    date(2025, 4, 1): (100, 60),
    date(2025, 7, 1): (100, None),
}


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[sa.Connection]:
    with (
        database(postgres, "forecast", "template") as url,
        engine("owner", url).connect() as opened,
        opened.begin() as all_of_it,
    ):
        cases.create_tables(opened)
        case = cases.Case(
            path=cases.HERE, case="", newest=NEWEST, given=_given(), expect={"marts.forecast_line": []}
        )  # fmt: skip
        for _ in cases.run(opened, case):
            pass
        yield opened
        all_of_it.rollback()


def test_worked_example_from_records_to_total(connection: sa.Connection) -> None:
    found = [line for line in lines.read(connection) if line.quarter_start == date(2026, 10, 1)]
    by_account = {line.account: line for line in found}
    assert [round(by_account[name].p, 4) for name in sorted(by_account)] == [0.8636, 0.6875, 0.6136, 1, 0]
    assert by_account["A"].reason == "96 of 112 renewed: commit and green, 0-30 days before"
    total = totals.total(found, totals.interval_scale([]))
    assert (total.target, total.expected) == (Decimal(260_000), Decimal("194431.82"))
    assert total.by_category == Decimal(211_000)
    assert (total.p10, total.p50, total.p90) == (Decimal(125_000), Decimal(205_000), Decimal(245_000))
    assert {one.group for one in totals.by_group(found, "csm", totals.interval_scale([]))} == {"Ada Lovelace", "nobody"}


def test_calls_that_contradict_the_figures(connection: sa.Connection) -> None:
    found = {one.line.account: one.reason for one in lists.disagreements(lines.read(connection))}
    # A's pulse is 5 and its score fell by 4; B's fell by 5; E is red, but has given notice.
    assert found == {
        "B": "pulse 4, but the score fell from 60 to 55 in 28 days",
        "C": "commit in the CRM, but health is red",
    }


def test_decisions_by_week(connection: sa.Connection) -> None:
    found = lists.calendar(lines.read(connection))
    assert [(week.starts, week.n, week.at_stake) for week in found] == [
        (None, 2, Decimal(60_060)),  # B, and one that has been open since July 2025
        (date(2026, 12, 14), 2, Decimal(160_000)),
    ]
    assert found[1].by_band == {"green": 120_000, "red": 40_000, "yellow": 0, "unknown": 0}


def test_quarter_counts_once_fully_settled(connection: sa.Connection) -> None:
    rows = past.read(connection)
    found = past.quarters(rows)
    # 0, 60, 100 and 160 with equal shares. Renewals no longer due are excluded on both sides.
    assert found == [(0, 60, 160, 100), (0, 60, 160, 160)]
    assert past.quarters(rows, 1) == []


def test_forecast_methods_are_compared(connection: sa.Connection) -> None:
    found = {one.method: one for one in past.accuracy(past.read(connection), "category")}
    # 100 renewed, 60 lost, forecast with 0.9, 0.6 and 0.8. A third one had no recorded band.
    assert {one.n for one in found.values()} == {2}
    assert {one.group for one in found.values()} == {"commit"}
    assert found[CATEGORY].brier == pytest.approx((0.1**2 + 0.9**2) / 2)
    assert found[BAND].brier == pytest.approx((0.4**2 + 0.6**2) / 2)
    assert found[BOTH].brier == pytest.approx((0.2**2 + 0.8**2) / 2)
    assert (found[BOTH].forecast, found[BOTH].renewed) == (pytest.approx(128), 100)
    assert found[BOTH].error == pytest.approx(0.28)


def test_forecast_commands(built: pytest.MonkeyPatch) -> None:
    def say(*words: str, exit_code: int = 0) -> str:
        said = CliRunner().invoke(app, ["score", *words])
        assert said.exit_code == exit_code, said.output
        return said.output

    found = json.loads(say("forecast", "--group", "tier", "--json"))
    assert (found["quarter"], found["as_of"], found["currency"]) == ("2026Q2", "2026-06-10", "USD")
    assert sum(Decimal(one["expected"]) for one in found["groups"]) == Decimal(found["total"]["expected"])
    assert say("forecast").startswith("2026Q2, USD, as of 2026-06-10")
    assert say("forecast", "--quarter", "2027Q1").startswith("2027Q1, USD, as of 2026-06-10")
    assert ": 0 of the 6 past quarters needed" in say("forecast", "--group", "csm")
    assert "days before" in say("forecast", "--lines") or "configured probability" in say("forecast", "--lines")
    assert say("disagreements").splitlines()[1].startswith("account")
    assert say("calendar").splitlines()[1].startswith("week")
    assert "forecasts frozen" in say("accuracy", "--group", "tier")
    for words in (["--quarter", "2026Q1"], ["--quarter", "2027Q2"], ["--quarter", "Q3"], ["--group", "region"]):
        assert CliRunner().invoke(app, ["score", "forecast", *words]).exit_code != 0


def _given() -> dict[str, list[dict[str, Any]]]:
    given: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in (
            "core.renewal", "core.account", "core.owner", "marts.renewal_due", "marts.health_checkpoint",
            "marts.health_score", "marts.health_step", "marts.health_input", "marts.forecast_frozen",
        )
    }  # fmt: skip
    given["core.owner"] = [{"owner_key": "crm:7", "source": "crm", "owner_id": "7", "name": "Ada Lovelace"}]
    scores = {"A": (80, 84, 5), "B": (55, 60, 4), "C": (30, 30, None), "D": (80, 80, None), "E": (10, 50, 5)}
    for name, (target, category, probability, (is_yellow, is_green)) in DUE.items():
        decision = date(2026, 11, 29) if name == "B" else date(2026, 12, 20)
        fields = {"part": "open", "due_date": date(2026, 12, 31), "decision_date": decision, "target_arr": target,
                  "forecast_category": category, "probability": probability}  # fmt: skip
        if name == "D":
            fields |= {"part": "on_time", "renewed_of_target_arr": 25_000, "closed_on": NEWEST}
        _renewal(given, name, owner_key="crm:7" if name < "C" else None, **fields)
        given["core.account"].append({"account_key": f"crm:{name}", "name": name, "is_excluded": False})
        now, before, pulse = scores[name]
        for days, score in ((0, now), (28, before)):
            given["marts.health_score"].append(
                {"account_key": f"crm:{name}", "day": NEWEST - timedelta(days=days), "computed": score, "score": score,
                 "unknown_reason": "", "yellow_from": 45, "green_from": 70}
            )  # fmt: skip
        for edge, is_above in (("yellow", is_yellow), ("green", is_green)):
            given["marts.health_step"].append(
                {"account_key": f"crm:{name}", "edge": edge, "day": date(2026, 1, 1), "is_above": is_above}
            )
        given["marts.health_input"].append(
            {"account_key": f"crm:{name}", "day": NEWEST, "pulse": pulse, "pulse_on": NEWEST - timedelta(days=9)}
        )
    for (category, band), (k, n) in RECORDS.items():
        for number in range(n):
            name = f"{category}-{band}-{number}"
            part = "on_time" if number < k else "lost"
            day = date(2026, 6, 30)
            _renewal(given, name, due_date=day, decision_date=day, part=part, target_arr=10, settled_on=day,
                     renewed_of_target_arr=10 if number < k else None)  # fmt: skip
            given["marts.health_checkpoint"].append(
                {"renewal_id": f"{name}#1", "account_key": f"crm:{name}", "days_before": 30,
                 "as_of": date(2026, 5, 31), "forecast_category": category, "band": band, "unknown_reason": ""}
            )  # fmt: skip
    _frozen(given)
    return given


def _frozen(given: dict[str, list[dict[str, Any]]]) -> None:
    line = {"line_class": "open", "category": "commit", "configured_probability": 0.5, "probability": 0.5}
    for start, came in FROZEN.items():
        for amount, renewed in zip((100, 60), came, strict=True):
            name = f"f{start:%m}-{amount}"
            part = "open" if renewed is None else "on_time" if renewed else "lost"
            _renewal(given, name, due_date=start, decision_date=start, part=part, target_arr=amount,
                     renewed_of_target_arr=renewed or None, settled_on=date(2024, 1, 1))  # fmt: skip
            given["marts.forecast_frozen"].append(
                {**line, "renewal_id": f"{name}#1", "account_key": f"crm:{name}", "checkpoint": "quarter",
                 "frozen_on": start, "quarter_start": start, "amount_arr": amount}
            )  # fmt: skip
    given["marts.forecast_frozen"].append(
        {**line, "renewal_id": "gone#1", "account_key": "crm:gone", "checkpoint": "quarter",
         "frozen_on": date(2025, 1, 1), "quarter_start": date(2025, 1, 1), "amount_arr": 1000}
    )  # fmt: skip
    for name, amount, band in (("f01-100", 100, 0.6), ("f01-60", 60, 0.6), ("f04-100", 100, None)):
        given["marts.forecast_frozen"].append(
            {**line, "renewal_id": f"{name}#1", "account_key": f"crm:{name}", "checkpoint": "t90",
             "frozen_on": date(2025, 1, 1), "quarter_start": date(2025, 1, 1), "amount_arr": amount,
             "configured_probability": 0.9, "band_probability": band, "probability": 0.8}
        )  # fmt: skip


def _renewal(given: dict[str, list[dict[str, Any]]], name: str, **fields: Any) -> None:
    named = {"renewal_id": f"{name}#1", "account_key": f"crm:{name}"}
    given["core.renewal"].append({**named, "is_auto_renew": False})
    given["marts.renewal_due"].append({**named, **fields})
