"""Usage is compared with the tracking plan, and each event's first and last day are noted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include import config
from include.common.errors import ConfigError
from include.contracts import validate
from include.operations import catalogue
from include.warehouse.engine import engine
from tests.contracts.landed import fetch, good, land, source_of, store

DAY = date(2026, 11, 19)
PLAN = """
version: 2
events:
  reports: {description: A report was opened., owner: {name: Rita, email: rita@vendor.example}, properties: [minutes]}
  api: {description: The API was called., owner: {name: Ali, email: ali@vendor.example}, within_days: 7}
"""


@pytest.fixture(autouse=True)
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warehouse: str) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "tracking_plan.yaml").write_text(PLAN)
    (folder / "usage.yaml").write_text("value_events: [reports]\nkey_features: [reports, api]\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))


def _used(feature: str, day: date, n: int = 3, first: int = 1, **values: Any) -> list[dict[str, Any]]:
    return [row | {"feature": feature, "day": day} | values for row in good("usage_day", n, first)]


def _found(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    batch_id = land("usage_day", list(rows))
    validate.validate(source_of("usage_day"))
    results = fetch(
        "select rule_id, observed from meta.rule_result where batch_id = :i and not is_passed and rule_id like :like",
        i=batch_id,
        like="product.usage_day.%event%",
    )
    return {row["rule_id"].rsplit(".", 1)[1]: row["observed"] for row in results}


def test_unlisted_missing_and_incomplete_events_are_found() -> None:
    store("usage_day", _used("reports", DAY - timedelta(days=1)))
    week_ago = DAY - timedelta(days=7)
    assert _found(_used("api", week_ago, first=100) + _used("reports", week_ago, first=200)) == {}
    newest = _used("reports", DAY, first=300) + _used("reports", DAY, 2, first=400, minutes=None)
    assert _found(newest + _used("exports", DAY, 4, first=500)) == {
        "events_planned": "event exports n 4",
        "planned_events_arrive": f"event api last_day {week_ago}",
        "event_properties_filled": "event reports property minutes n 2",
    }
    states = {one.event: (one.state, one.owner, one.first_day, one.last_day) for one in catalogue.events()}
    assert states == {
        "api": ("missing", "Ali", week_ago, week_ago),
        "exports": ("unlisted", "", DAY, DAY),
        "reports": ("arrives", "Rita", week_ago, DAY),
    }


def test_casing_makes_no_other_event_as_in_the_figures_of_use(tmp_path: Path) -> None:
    (tmp_path / "config" / "tracking_plan.yaml").write_text(PLAN.replace("reports:", "Reports:"))
    (tmp_path / "config" / "usage.yaml").write_text("value_events: [REPORTS]\nkey_features: [reports, Api]\n")
    store("usage_day", _used("reports", DAY - timedelta(days=1)))
    rows = _used("Reports", DAY, first=100) + _used(" API", DAY, first=200) + _used("reports", DAY, 1, first=300)
    assert _found(rows) == {}
    assert {one.event: (one.state, one.counts_as) for one in catalogue.events()} == {
        "api": ("arrives", ("key feature",)),
        "reports": ("arrives", ("value", "key feature")),
    }
    assert config.load().usage.value_events == ("reports",)


def test_plan_names_an_event_once(tmp_path: Path) -> None:
    for text in (PLAN + PLAN.splitlines()[3].replace("reports", "REPORTS"), "version: 1\nevents: 5\n", "5\n"):
        (tmp_path / "config" / "tracking_plan.yaml").write_text(text)
        with pytest.raises(ConfigError):
            config.load()


def test_late_event_is_the_day_after_its_last_allowed_one() -> None:
    store("usage_day", _used("reports", DAY - timedelta(days=1)))
    assert _found(_used("api", DAY - timedelta(days=6), first=100) + _used("reports", DAY, first=200)) == {}


def test_row_in_quarantine_is_no_arrival() -> None:
    store("usage_day", _used("reports", DAY - timedelta(days=1)))
    week_ago = DAY - timedelta(days=7)
    _found(_used("api", week_ago, first=100) + _used("reports", week_ago, first=200))
    newest = _used("reports", DAY, first=300) + _used("api", date(2099, 1, 1), 1, first=400)
    assert _found(newest)["planned_events_arrive"] == f"event api last_day {week_ago}"
    assert {one.event: one.state for one in catalogue.events()} == {"api": "missing", "reports": "arrives"}


def test_event_arrives_if_one_of_two_sources_has_it_and_a_former_source_says_nothing(tmp_path: Path) -> None:
    source = "  - {{id: {}, kind: product, owner: {{name: A, email: a@vendor.example}}, stale_after_minutes: 60}}\n"
    sources = f"sources:\n{source.format('web')}{source.format('app')}"
    (tmp_path / "config" / "settings.yaml").write_text(sources)
    seen = "insert into meta.event_seen values (:source, :event, '2026-01-01', :day, now())"
    with engine("loader").begin() as connection:
        for source, event, day in (("web", "reports", DAY), ("app", "api", DAY), ("old", "exports", DAY)):
            connection.execute(sa.text(seen), {"source": source, "event": event, "day": day})
    assert [(one.source, one.event, one.state) for one in catalogue.events()] == [
        ("app", "api", "arrives"), ("web", "reports", "arrives")]  # fmt: skip


def test_empty_plan_checks_nothing(tmp_path: Path) -> None:
    (tmp_path / "config" / "tracking_plan.yaml").write_text("version: 1\nevents: {}\n")
    store("usage_day", _used("reports", DAY - timedelta(days=1)))
    assert _found(_used("exports", DAY, first=100)) == {}
    assert [one.state for one in catalogue.events()] == ["unlisted"]
