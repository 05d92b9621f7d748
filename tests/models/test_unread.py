"""Incompletely read entities: unavailable, never 0, and complete once read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.ingest import batches, merge
from include.metrics.explain import explain
from include.models import build
from tests.fixtures import small_world as world
from tests.fixtures.landing import judge, land, rows, value

NOW = datetime.fromisoformat(world.FIRST)
_ACTIVE = "select as_of, value from marts.kpi_value where metric_id = 'activity_rate' and grain = 'all'"


@pytest.fixture
def second_product(built: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The small world with a second product: accounts loaded, first load of usage half done."""
    settings = tmp_path / "config" / "settings.yaml"
    kinds = {"crm": "crm", "support": "support", "product_db": "product", "product_2": "product"}
    sources = ", ".join(
        f"{{id: {name}, kind: {kind}, owner: {{name: Data, email: data@example.com}}}}" for name, kind in kinds.items()
    )
    settings.write_text(world.SETTINGS.format(grace=30) + f"sources: [{sources}]\n")
    built.setenv("PERENNIAL_NOW", (NOW + timedelta(minutes=5)).isoformat())
    with world.engine("loader").begin() as connection:
        connection.exec_driver_sql(
            "insert into meta.verdict (source, kind, state) values ('product_2', 'product', 'red')"
        )
    where = {"source": "product_2", "vendor": "product"}
    world.store(world.product_account("p2", "2"), entity="product_account", read_until=NOW, **where)
    _page(world.usage("2", "u2", date(2026, 3, 3), 9), is_last=False)
    return built


def _page(*records: world.Record, is_last: bool, source: str = "product_2", **how: Any) -> None:
    """Land and merge a page of usage. Unless it is the last, it fills its batch, as in a long read."""
    batch = land(*records, source=source, vendor="product", entity="usage_day", is_last=is_last, **how)
    if not is_last:
        with world.engine("loader").begin() as connection:
            batches.close(connection, batch, position=None, read_until=None)
    judge(batch)
    merge.merge(source)


def test_first_load_counts_once_it_completes(second_product: pytest.MonkeyPatch) -> None:
    before = rows(f"{_ACTIVE} order by 1")
    assert build.run("half way")
    assert rows(f"{_ACTIVE} order by 1") == before
    assert value("select count(*) from marts.account_day where account_key = 'crm:2' and usage_28d is not null") == 0
    assert value("select count(*) from meta.dirty_range where source = 'product_2' and built_by is null") > 0
    assert not build.plan("still half way"), "what waits for the end of the load is no work"
    _page(world.usage("2", "u2", date(2026, 6, 9), 9), is_last=True, read_until=NOW)
    assert "first load finished" in build.plan("through").reason
    assert build.run("through")
    assert value("select usage_28d from marts.account_day where account_key = 'crm:2' and day = '2026-06-10'") == 9
    world.assert_equals_scratch(second_product)


def test_metric_of_an_incompletely_read_source_is_unavailable(
    raw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", world.FIRST)
    world.use_short_history(monkeypatch, tmp_path)
    world.load_all()
    with world.engine("owner").begin() as connection:
        for entity in ("usage_day", "contract_line", "ticket"):
            connection.exec_driver_sql(f"update meta.cursor set read_until = null where entity = '{entity}'")
    assert build.run("first")
    assert value("select count(*) from marts.account_day where usage_28d is not null") == 0
    for metric in ("activity_rate", "arr", "backlog", "gross_renewal_rate", "logo_churn_rate"):
        assert value("select count(*) from marts.kpi_value where metric_id = :m", m=metric) == 0, metric
        assert "first load" in explain(metric).reason


def test_lagging_source_has_values_up_to_its_watermark(built: pytest.MonkeyPatch) -> None:
    # Only CRM and support are read for two weeks, as if the product database was removed and added again.
    late = NOW + timedelta(days=14)
    built.setenv("PERENNIAL_NOW", late.isoformat())
    for source in ("crm", "support"):
        with world.engine("owner").begin() as connection:
            connection.exec_driver_sql(f"update meta.cursor set read_until = '{late}' where source = '{source}'")
    assert build.run("behind")
    known = "select max(day) from marts.account_day where usage_28d is not null"
    assert value(known) == date(2026, 6, 11)
    assert value("select max(day) from marts.account_day where arr is not null") == date(2026, 6, 24)
    assert value("select max(as_of) from marts.kpi_value where metric_id = 'activity_rate'") == date(2026, 6, 11)
    assert value("select max(as_of) from marts.kpi_value where metric_id = 'arr'") == date(2026, 6, 24)
    found = explain("activity_rate", period="day")
    assert (found.as_of, found.reason) == (
        date(2026, 6, 11),
        "usage_day of product_db has been read only up to 2026-06-11",
    )
    # Half of the missed data is merged, then all of it.
    _page(world.usage("1", "u1", date(2026, 6, 13), 5), is_last=False, source="product_db")
    assert build.run("still behind")
    assert value(known) == date(2026, 6, 11)
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 20), 5))
    world.load("seat_day", world.seats("1", date(2026, 6, 20), 10, 4))
    assert build.run("caught up")
    assert value(known) == date(2026, 6, 24)
    assert value("select max(as_of) from marts.kpi_value where metric_id = 'activity_rate'") == date(2026, 6, 24)
    world.assert_equals_scratch(built)


def test_merges_by_a_machine_with_another_clock_are_not_lost(built: pytest.MonkeyPatch) -> None:
    ahead, behind = (NOW + timedelta(hours=1, seconds=by) for by in (5, 0))
    built.setenv("PERENNIAL_NOW", ahead.isoformat())
    world.load("account", world.account("1", tier="key_account"))
    built.setenv("PERENNIAL_NOW", behind.isoformat())
    assert build.run("behind")
    assert value("select tier from core.account where account_key = 'crm:1'") == "key_account"
    # The other way round: a merge on the machine that is behind, after a build on the one ahead.
    built.setenv("PERENNIAL_NOW", (ahead + timedelta(minutes=1)).isoformat())
    world.load("owner", world.owner("9"))
    assert build.run("ahead")
    built.setenv("PERENNIAL_NOW", behind.isoformat())
    world.load("owner", world.owner("7", last_name="Renamed"))
    assert build.run("behind again")
    assert value("select name from core.owner where owner_key = 'crm:7'") == "Renamed"
    built.delenv("PERENNIAL_NOW")
    assert build.run("now")
    assert value("select max(known_at) from meta.build") > datetime(2026, 7, 1, tzinfo=UTC), "the database's own clock"
