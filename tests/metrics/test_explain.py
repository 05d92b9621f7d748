"""Explanations of a metric value down to its rows, and of missing values."""

from __future__ import annotations

from datetime import date

import pytest
from typer.testing import CliRunner

from include.cli.main import app
from include.cli.metrics import facts_of
from include.common.errors import ConfigError
from include.metrics.explain import explain
from include.warehouse.engine import engine


def test_value_is_explained_down_to_its_rows(built: pytest.MonkeyPatch) -> None:
    found = explain("activity_rate", as_of=date(2026, 6, 5))
    assert (found.as_of, found.period_start) == (date(2026, 5, 31), date(2026, 5, 1))
    # Account 2's term ended in May, and it has no product account.
    assert (found.values[0].value, found.values[0].numerator, found.values[0].n) == (1.0, 2.0, 2)
    assert found.values[0].low == pytest.approx(0.342, abs=0.001)  # Wilson's interval of 2 of 2
    assert {row["account_key"] for row in found.rows} >= {"crm:1", "crm:3"}
    assert not found.is_off_target
    assert found.lineage[:2] == ("marts.kpi_value", "marts.activity_period")
    assert "raw.usage_day" in found.lineage
    assert facts_of(found)["target"] == ">= 0.85, met"


def test_rows_behind_a_group_belong_to_the_group(built: pytest.MonkeyPatch) -> None:
    found = explain("arr", period="month", grain="csm", key="crm:8")
    assert found.values[0].numerator == 0  # its term ended and a late renewal is pending
    assert [row["account_key"] for row in found.rows] == ["crm:2"]
    assert float(found.rows[0]["pending_late_arr"]) == 2400


def test_unconnected_metric_states_its_needs(built: pytest.MonkeyPatch) -> None:
    found = explain("csat")
    assert found.reason == "not available: needs rating"
    assert facts_of(found)["value"] == "not available: needs rating"


def test_grain_without_a_group_shows_all_groups(built: pytest.MonkeyPatch) -> None:
    said = CliRunner().invoke(app, ["metrics", "show", "kept_arr", "--grain", "csm"])
    assert said.exit_code == 0, said.output
    assert "by csm, month to 2026-05-31; choose one with --key" in said.output
    shown = [line.split()[:5] for line in said.output.splitlines() if line.startswith("crm:")]
    assert shown == [["crm:7", "Owner", "7", "USD", "2,400"], ["crm:8", "Owner", "8", "USD", "2,400"]]


def test_rows_are_the_inputs_of_a_value(built: pytest.MonkeyPatch) -> None:
    # One of two tickets is solved. One of three customers existed a year before; one joined since.
    assert [row["ticket_key"] for row in explain("backlog").rows] == ["support:t1"]
    assert {row["account_key"] for row in explain("kept_arr").rows} == {"crm:1", "crm:2", "crm:3"}
    assert {row["account_key"] for row in explain("nrr").rows} == {"crm:2"}


@pytest.mark.parametrize(
    ("metric", "needed"),
    [
        ("task_timeliness", "task"),
        ("paused_arr", "contract_line.paused_on"),
        ("discount_depth", "contract_line.list_amount"),
    ],
)
def test_metric_can_need_a_column_or_crm_feedback(built: pytest.MonkeyPatch, metric: str, needed: str) -> None:
    assert explain(metric).reason == f"not available: needs {needed}"


def test_uncomputed_period_or_group_names_the_computed_ones(built: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="week is not a period of cohort_retention_m6") as caught:
        explain("cohort_retention_m6", period="week")
    assert caught.value.cure == "one of month"
    with pytest.raises(ConfigError, match="tier is not a grain of quarantine_rate") as caught:
        explain("quarantine_rate", grain="tier")
    assert caught.value.cure == "one of all, source, rule, csm"


def test_period_without_a_value_shows_the_last_value_and_states_it(built: pytest.MonkeyPatch) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "delete from marts.kpi_value where metric_id = 'nrr' and as_of = '2026-05-31' and grain = 'all'"
        )
    found = explain("nrr")
    assert (found.as_of, found.is_newest) == (date(2026, 4, 30), False)
    assert facts_of(found)["period"] == "month 2026-04-01 to 2026-04-30: the last month with a value"


def test_unknown_group_lists_the_known_groups(built: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="is not a csm of arr") as caught:
        explain("arr", grain="csm", key="crm:99")
    assert "crm:7, crm:8" in caught.value.cure


def test_commands_show_the_registry_and_a_value(built: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["metrics"])
    assert listed.exit_code == 0
    assert any(line.startswith("nrr ") for line in listed.output.splitlines())
    shown = runner.invoke(app, ["metrics", "show", "activity_rate"])
    assert shown.exit_code == 0, shown.output
    assert "100.0% (95%: 34.2% to 100.0%)" in shown.output
    as_json = runner.invoke(app, ["metrics", "show", "activity_rate", "--json"])
    assert '"is_off_target": false' in as_json.output


@pytest.mark.parametrize(
    ("period", "as_of", "end"),
    [
        ("quarter", "2027-03-31", "2027-03-31"),
        ("month", "2026-07-15", "2026-06-30"),
        ("day", "2026-06-20", "2026-06-20"),
    ],
)
def test_period_ahead_is_refused(built: pytest.MonkeyPatch, period: str, as_of: str, end: str) -> None:
    with pytest.raises(ConfigError, match=f"the {period} to {end} is not over"):
        explain("arr", period=period, as_of=date.fromisoformat(as_of))


def test_forecast_of_a_quarter_ahead_is_the_renewal_forecast(built: pytest.MonkeyPatch) -> None:
    arguments = ["--period", "quarter", "--as-of", "2026-09-30", "--json"]
    said = CliRunner().invoke(app, ["metrics", "show", "renewal_forecast", *arguments])
    asked = CliRunner().invoke(app, ["score", "forecast", "--quarter", "2026Q3", "--json"])
    assert (said.exit_code, said.output) == (asked.exit_code, asked.output)
    for more in (("--grain", "csm", "--key", "crm:7"), ("--known-at", "2026-06-01")):
        refused = CliRunner().invoke(app, ["metrics", "show", "renewal_forecast", *arguments, *more])
        assert isinstance(refused.exception, ConfigError) and more[-2] in str(refused.exception)
