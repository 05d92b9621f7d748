"""Rebuilds of built days, next to forward builds and after dead ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from include.cli import build as build_command
from include.common.errors import ConfigError, Unavailable, WarehouseError
from include.models import build, registry
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import value


def test_rebuild_of_a_good_window_changes_nothing(built: pytest.MonkeyPatch) -> None:
    before = world.snapshot()
    done = build.run("again", "rebuild", date(2026, 4, 1), date(2026, 5, 1))
    assert isinstance(done, build.Finished)
    assert done.n_changed == 0
    assert world.snapshot() == before
    assert not build.plan("next")


def test_rebuild_repairs_its_window_in_any_order(built: pytest.MonkeyPatch) -> None:
    before = world.snapshot()
    with engine("builder").begin() as connection:
        for table in ("core.usage_28d", "core.seat_day", "marts.account_day"):
            connection.execute(sa.text(f"delete from {table} where day between '2026-04-03' and '2026-04-08'"))
    assert world.snapshot() != before
    for day in (5, 3, 8, 4, 7, 6):
        start = date(2026, 4, day)
        build.run(f"day {day}", "rebuild", start, start + timedelta(days=1))
    assert world.snapshot() == before


def test_rebuild_completes_tables_without_days(built: pytest.MonkeyPatch) -> None:
    before = world.snapshot()
    with engine("builder").begin() as connection:
        for table in ("core.arr_step", "core.contract_line_history", "marts.renewal_due", "marts.act_account"):
            connection.execute(sa.text(f"delete from {table}"))
    build.run("again", "rebuild", date(2026, 6, 10), date(2026, 6, 11))
    assert world.snapshot() == before


def test_each_build_of_the_command_has_its_own_name(built: pytest.MonkeyPatch) -> None:
    for tier in ("standard", "key_account"):
        world.load("account", world.account("1", tier=tier))
        said = list(build_command.run("", "", ""))
        assert said[-1].startswith("built "), said
    assert value("select tier from core.account where account_key = 'crm:1'") == "key_account"
    list(build_command.run("2026-06-01", "", "mine"))
    with pytest.raises(ConfigError, match="build mine has ended; nothing was built"):
        list(build_command.run("2026-06-01", "", "mine"))


def test_rebuild_requires_built_days(built: pytest.MonkeyPatch) -> None:
    assert not build.plan("a", "rebuild", date(2020, 1, 1), date(2020, 2, 1))
    assert not build.plan("b", "rebuild", date(2026, 7, 1), date(2026, 8, 1))
    with pytest.raises(WarehouseError, match="needs a start and an end"):
        build.plan("c", "rebuild")
    with pytest.raises(WarehouseError, match="unknown build"):
        build.build_model("nobody", "core.account")


def test_rebuild_leaves_dirty_ranges_to_the_forward_build(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    build.run("again", "rebuild", date(2026, 6, 8), date(2026, 6, 9))
    assert value("select count(*) from meta.dirty_range where built_by is null") == 1
    build.run("next")
    world.assert_equals_scratch(built)


@pytest.mark.parametrize("now", ["2026-06-10T14:00:00+00:00", "2026-06-11T14:00:00+00:00"])
def test_late_rebuild_does_not_revert_a_forward_build(built: pytest.MonkeyPatch, now: str) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-10T13:00:00+00:00")
    build.plan("late", "rebuild", date(2026, 6, 8), date(2026, 6, 9))
    built.setenv("PERENNIAL_NOW", now)
    world.load("owner", world.owner("9"), world.owner("7", is_active=False))
    world.load("account", world.account("4", owner_id="9"), world.account("1", owner_id="9"))
    assert isinstance(build.run("next"), build.Finished)
    before = world.snapshot()
    assert build.plan("late")
    for name in registry.names():
        build.build_model("late", name)
    build.finish("late")
    assert world.snapshot() == before
    assert value("select count(*) from core.account where account_key = 'crm:4'") == 1
    world.assert_equals_scratch(built)


def test_checks_can_run_on_existing_tables(built: pytest.MonkeyPatch) -> None:
    with engine("builder").begin() as connection:
        connection.execute(sa.text("update marts.account_day set kept_arr = kept_arr + 1 where day = '2026-05-05'"))
    found = {check.name: check.n_bad for check in build.check_model("first", "marts.account_day")}
    assert found["kept_is_the_sum"] > 0
    assert found["grr_part_within_bounds"] == 0


def test_rebuild_finishes_the_work_of_a_dead_build(built: pytest.MonkeyPatch) -> None:
    world.load("contract_line", world.line("l9", "d1", 900, date(2026, 5, 5), date(2026, 9, 15), account_id="1"))
    build.plan("dead")
    for name in registry.names():
        if name == "marts.arr_movement":
            break
        build.build_model("dead", name)
    # ARR is written but its movements are not, so a period's bridge would not close.
    assert isinstance(build.run("again", "rebuild", date(2026, 5, 1), date(2026, 5, 9)), build.Finished)
    build.run("next")
    world.assert_equals_scratch(built)


def test_check_failure_during_another_build_is_not_a_broken_contract(built: pytest.MonkeyPatch) -> None:
    world.load("contract_line", world.line("l9", "d1", 900, date(2026, 5, 5), date(2026, 9, 15), account_id="1"))
    build.plan("again", "rebuild", date(2026, 3, 1), date(2026, 6, 11))
    build.plan("other")
    names = list(registry.names())
    for name in names[: names.index("marts.arr_movement")]:
        build.build_model("other", name)
    with pytest.raises(Unavailable, match="another build is rebuilding"):
        for name in names[: names.index("marts.retention_period") + 1]:
            if name != "marts.arr_movement":
                build.build_model("again", name)
    build.run("other")
    assert isinstance(build.run("again"), build.Finished)
    world.assert_equals_scratch(built)
