"""Restatements: one row per changed value, with the reason."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from include.cli.metrics import facts_of
from include.common.errors import ConfigError
from include.metrics import restatement_report
from include.metrics.explain import explain
from include.models import build, restatements
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

MAY = date(2026, 6, 5)  # the last complete month


def test_edit_restates_closed_periods_and_records_it(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-11T12:00:00+00:00")
    world.load("contract_line", world.line("l1", "d1", 1500, date(2025, 9, 15), date(2026, 9, 15)))
    build.run("second")
    found = explain("arr", as_of=MAY, known_at=datetime(2026, 6, 11, 9, tzinfo=UTC))
    # Account 1 had 1,200 and account 3 has 1,200.
    assert found.values[0].value == 2700
    assert [(stage.value, stage.was_reported) for stage in found.past] == [(2400, True)]
    assert found.past[0].reason == "back-dated edit of contract_line (1 account)"
    assert found.as_known and found.as_known.value == 2400
    said = facts_of(found)
    assert (said["first reported"], said["as known then"]) == ("USD 2,400", "USD 2,400")
    assert said["restated 2026-06-11 12:00"] == "USD 2,700: back-dated edit of contract_line (1 account)"
    # Unaffected values have no row, nor have days that were incomplete when reported.
    assert (
        rows("select distinct metric_id from meta.kpi_restatement where metric_id in ('activity_rate', 'customers')")
        == []
    )
    assert value("select max(as_of) from meta.kpi_restatement") < date(2026, 6, 10)
    listed = [(row["before"], row["now"]) for row in restatement_report.restated("arr", 500) if row["grain"] == "all"]
    assert set(listed) == {(2400, 2700), (4800, 5100)}  # account 2 was there until 14 May


def test_missing_late_renewal_is_churn_on_its_due_date_after_the_grace_period(
    built: pytest.MonkeyPatch,
) -> None:
    """E7: account 2's term ended on 15 May. Nothing is lost until its 30 days of grace end."""
    assert explain("churn_arr", as_of=MAY).values[0].value == 0
    built.setenv("PERENNIAL_NOW", "2026-06-13T12:00:00+00:00")
    build.run("on the last day")
    assert explain("churn_arr", as_of=MAY).past == ()
    built.setenv("PERENNIAL_NOW", "2026-06-14T12:00:00+00:00")
    build.run("on the day after")
    found = explain("churn_arr", as_of=MAY)
    assert found.values[0].value == 2400
    assert [(stage.value, stage.reason) for stage in found.past] == [
        (0, "time passed: a grace period or a deadline ended, or a deletion was confirmed")
    ]


def test_late_rows_restate_the_affected_values(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-11T12:00:00+00:00")
    world.load("usage_day", world.usage("1", "u9", date(2026, 5, 20), 3))
    build.run("second")
    found = explain("mau", as_of=MAY)
    assert (found.past[0].value, found.values[0].value) == (2, 3)
    assert found.past[0].reason == "late rows of usage_day (1 account)"
    assert explain("arr", as_of=MAY).past == ()


def test_second_build_on_unchanged_sources_restates_nothing(built: pytest.MonkeyPatch) -> None:
    build.run("again", "rebuild", date(2026, 5, 1), date(2026, 6, 1))
    assert value("select count(*) from meta.kpi_restatement") == 0


def test_definition_change_requires_a_new_version(built: pytest.MonkeyPatch) -> None:
    with engine("builder").begin() as connection:
        connection.execute(sa.text("update meta.metric_definition set definition_hash = 'x' where metric_id = 'grr'"))
        with pytest.raises(ConfigError, match=r"retention.yaml:\d+: grr: version 1 already has values") as caught:
            restatements.check_definitions(connection)
    assert "make it version 2" in caught.value.cure
