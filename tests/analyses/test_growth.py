"""The funnel from the records of the CRM and the product to command, page and notice, with the logins of the tasks."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.analyses import growth as analysis
from include.cli.main import app
from include.config.viewers import Viewer
from include.models import build
from include.orchestration import analysis_tasks
from include.pages import growth
from include.warehouse.engine import engine
from tests.fixtures import small_world as world

CAMPAIGNS = """
campaigns:
  - {name: Big Sale, starts_on: 2025-07-01, ends_on: 2025-08-31, goal: Ten customers, wanted: 10, result: One customer}
  - {name: Spring, starts_on: 2026-05-01, ends_on: 2026-06-30}
  - {name: Winter, starts_on: 2025-12-01, ends_on: 2025-12-05}
"""


def rows(*arguments: str) -> list[dict[str, object]]:
    found = CliRunner().invoke(app, ["analysis", *arguments, "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return list(json.loads(found.stdout))


def test_parts_without_records_are_named_and_not_zero(built: pytest.MonkeyPatch) -> None:
    page = growth.read(Viewer(role="head"))
    assert page.growth.missing == ("leads", "channel_cost", "referrals", "campaigns")
    assert [(one.stage, one.next_stage) for one in page.growth.edges if one.stage == "acquisition"] == []
    assert (page.growth.first, page.referrers) == ([], [])


def test_durations_are_grouped_and_those_after_today_are_open(built: pytest.MonkeyPatch) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from core.stage_edge")
        connection.exec_driver_sql(
            "insert into core.stage_edge (prospect_key, stage, next_stage, entered_on, next_on) values"
            " ('1', 'a', 'b', '2026-01-01', '2026-01-08'), ('2', 'a', 'b', '2026-01-02', '2026-01-09'),"
            " ('3', 'a', 'b', '2026-01-01', null), ('4', 'a', 'b', '2026-01-01', '2027-01-01'),"
            " ('5', 'a', 'b', '2026-02-01', null)"
        )
        assert sorted(analysis.durations(connection, date(2026, 1, 31))["a", "b"]) == [(7, True, 2), (30, False, 2)]


def test_commands_read_only_what_they_show(built: pytest.MonkeyPatch) -> None:
    for name in ("edges", "read", "campaigns"):
        built.delattr(analysis, name)
    assert (rows("channels"), rows("funnel", "--paths")) == ([], [])


def test_leads_and_costs_become_stages_channels_and_a_notice(built: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config"
    (folder / "campaigns.yaml").write_text(CAMPAIGNS)
    built.setenv("PERENNIAL_NOW", "2026-06-11T12:00:00+00:00")
    july, november = world._at(2025, 7, 1), world._at(2025, 11, 3)
    world.load(
        "lead",
        world.record("1", account_id="1", channel="PAID_SEARCH", campaign="BIG_sale", lead_at=july, qualified_at=july),
        world.record("2", account_id="2", channel="EMAIL", lead_at=july, qualified_at=july),
        *(world.record(f"o{n}", channel="Offline", lead_at=november, qualified_at=november) for n in range(5)),
        world.record("p", channel="PAID_SEARCH", lead_at=july, qualified_at=july),
        world.record("w", channel="Offline", campaign="Winter", lead_at=world._at(2025, 12, 2)),
        world.record("young", channel="PAID_SEARCH", lead_at=world._at(2026, 6, 1), referred_by_id="1"),
    )
    world.load(
        "channel_cost",
        world.record("c", channel="Paid search", spent_on=date(2025, 7, 1), amount=500, campaign=" big sale"),
    )
    assert isinstance(build.run("work"), build.Finished)

    (acquired, paid) = (row for row in rows("funnel", "--account", "crm:1") if row["stage"] != "activation")
    assert (acquired["stage"], acquired["entered_on"]) == ("acquisition", "2025-07-01")
    assert (acquired["evidence_key"], acquired["evidence_field"]) == ("crm:1", "qualified_at")
    assert (paid["stage"], paid["evidence_key"]) == ("revenue", "crm:1|2025-09-15")
    # Account 2 paid in May, before it was a lead: no acquisition of it.
    assert [row["stage"] for row in rows("funnel", "--account", "crm:2")] == ["revenue"]
    (edge,) = (row for row in rows("funnel") if row["next_stage"] == "revenue" and row["stage"] == "acquisition")
    assert (edge["n_entered"], edge["n_reached"], edge["n_young"]) == (7, 1, 0)
    found = {row["channel"]: row for row in rows("channels")}
    assert set(found) == {"paid_search", "offline"}
    assert (found["paid_search"]["cost_per_customer"], found["paid_search"]["young"]) == (500, 1)
    assert (found["offline"]["cost"], found["offline"]["never_converts"]) == (None, True)
    summer, winter, spring = sorted(rows("campaigns"), key=lambda row: str(row["ends_on"]))
    assert (summer["won"], summer["cost"], summer["reached_goal"], summer["due"]) == (1, 500, False, "cause, rule")
    # Its end is 180 days ago, but not all leads of its month had them.
    assert (winter["settled"], winter["leads"], winter["won"], winter["due"]) == (False, 1, None, "")
    assert (spring["leads"], spring["won"], spring["due"]) == (None, None, "")

    sent: list[str] = []
    built.setattr(analysis_tasks.notices, "notify", lambda person, message: sent.append(message().subject))
    reported = analysis_tasks.judge_growth()
    assert (reported["never_converts"], reported["campaigns"], len(sent)) == (["offline"], ["Big Sale"], 1)
    # The list is the same a month later: nobody is told of a channel twice.
    built.setenv("PERENNIAL_NOW", "2026-07-11T12:00:00+00:00")
    assert analysis_tasks.judge_growth()["never_converts"] == []

    operator = growth.read(Viewer(role="operator"))
    assert not operator.sees_company
    assert operator.growth.missing == ()
