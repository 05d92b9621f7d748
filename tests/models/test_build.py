"""Builds on a real warehouse: windows, propagation of changes, checks, kills and unaffected data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common.errors import ConfigError, ContractError, WarehouseError
from include.models import build, materialize, registry
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value


def test_first_build_waits_for_sources_without_data(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", world.FIRST)
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.verdict (source, kind, state) values ('crm', 'crm', 'green'), ('x', 'crm', 'red')"
            )
        )
        connection.execute(
            sa.text(
                "insert into meta.source_failure (source, step, error, reason)"
                " values ('support', 'extract', 'AuthError', 'refused')"
            )
        )
    planned = build.plan("first")
    assert not planned
    assert planned.reason == "the first build waits for the first read of product_db"
    assert value("select count(*) from meta.build") == 0


def test_failed_source_does_not_block_the_others(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", world.FIRST)
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.verdict (source, kind, state) values"
                " ('crm', 'crm', 'red'), ('support', 'support', 'red'), ('product_db', 'product', 'red')"
            )
        )
    done = build.run("first")
    assert isinstance(done, build.Finished)
    assert done.n_models == len(registry.names())
    assert value("select count(*) from marts.kpi_value") == 0


def test_first_build_fills_one_wide_window(built: pytest.MonkeyPatch) -> None:
    assert rows("select kind, trigger, window_start, window_end, newest_day, state from meta.build") == [
        ("forward", "first", date(2026, 3, 1), date(2026, 6, 11), date(2026, 6, 10), "done")
    ]
    assert value("select max(day) from marts.account_day") == date(2026, 6, 10)
    assert value("select min(day) from marts.account_day") == date(2026, 3, 1)
    assert value("select count(*) from meta.dirty_range where built_by is null") == 0
    assert value("select count(*) from meta.build_change") == 0


def test_no_second_build_on_unchanged_sources(built: pytest.MonkeyPatch) -> None:
    planned = build.plan("second")
    assert not planned
    assert planned.reason == "nothing changed since the last build"


def test_late_first_usage_counts_for_all_later_days(built: pytest.MonkeyPatch) -> None:
    world.load("account", world.account("4"))
    world.load("opportunity", world.deal("d4", "4", close_date=date(2026, 3, 1)))
    world.load("contract_line", world.line("l4", "d4", 600, date(2026, 3, 2), date(2027, 3, 2)))
    world.load("product_account", world.product_account("p4", "4"))
    world.load("usage_day", world.usage("4", "u4", date(2026, 3, 1), 5, "login"))
    world.load("usage_day", world.usage("4", "u4", date(2026, 5, 20), 5))
    build.run("second")
    world.load("usage_day", world.usage("4", "u4", date(2026, 3, 2), 5))
    build.run("third")
    world.assert_equals_scratch(built)


def test_reply_still_counts_after_its_author_stops_being_an_agent(built: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 5, 20, 9, 15, tzinfo=UTC)
    comment = {"event_type": "comment", "is_public": True, "happened_at": at, "organization_id": "o1"}
    world.load("ticket_event", world.record("e1", ticket_id="t1", actor_id="a1", **comment))
    world.load("support_user", world.record("a1", role="agent"))
    build.run("answered")
    assert value("select first_reply_minutes from core.ticket where ticket_id = 't1'") == 15
    built.setenv("PERENNIAL_NOW", "2026-06-10T13:00:00+00:00")
    world.load("support_user", world.record("a1", role="end-user"))
    build.run("no agent any more")
    assert value("select first_reply_minutes from core.ticket where ticket_id = 't1'") == 15
    world.assert_equals_scratch(built)


def test_unneeded_build_reports_the_watermark_of_the_tables(built: pytest.MonkeyPatch) -> None:
    query = "select cast(watermarks ->> 'support' as timestamptz) from meta.build where build_id = 'first'"
    before = value(query)
    built.setenv("PERENNIAL_NOW", "2026-06-10T16:00:00+00:00")
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update meta.cursor set read_until = read_until + interval '4 hours'"))
    assert not build.plan("second")
    assert value(query) == before + timedelta(hours=4)


def test_only_changes_are_rebuilt_within_a_day(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    before = world.snapshot(but=("crm:1",))
    assert isinstance(build.run("second"), build.Finished)
    assert world.snapshot(but=("crm:1",)) == before
    scopes = dict(rows("select model, scope from meta.build_model where build_id = 'second'"))
    assert scopes["core.usage_day"] == "1 accounts, 2026-06-08 to 2026-06-10"
    assert scopes["core.contract_line"] == "nothing"
    assert value("select usage_28d from marts.account_day where account_key = 'crm:1' and day = '2026-06-08'") >= 50


def test_new_day_makes_yesterday_final_for_all_accounts(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-12T08:00:00+00:00")
    planned = build.plan("second")
    assert (planned.start, planned.end) == (date(2026, 6, 10), date(2026, 6, 13))
    assert isinstance(build.run("second"), build.Finished)
    assert value("select count(distinct day) from marts.account_day where day > '2026-06-09'") == 3
    scopes = dict(rows("select model, scope from meta.build_model where build_id = 'second'"))
    assert scopes["marts.account_day"].startswith("all accounts, 2026-06-10 to 2026-06-12")


def test_groups_are_summed_once_for_the_window_and_adjacent_late_days(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    built.setenv("PERENNIAL_NOW", "2026-06-11T13:00:00+00:00")
    build.run("second")
    scope = value("select scope from meta.build_model where build_id = 'second' and model = 'marts.activity_period'")
    assert scope == "all accounts, 2026-06-08 to 2026-06-11"
    world.assert_equals_scratch(built)


def test_daily_build_analyzes_only_its_own_months(built: pytest.MonkeyPatch) -> None:
    """With all months, the daily cost would grow with the history."""
    said: list[str] = []
    sa.event.listen(engine("builder"), "before_cursor_execute", lambda *given: said.append(given[2]))
    built.setattr(materialize, "ANALYZE_AFTER", 0)
    built.setenv("PERENNIAL_NOW", "2026-06-12T08:00:00+00:00")
    build.run("second")
    analysed = {statement for statement in said if statement.startswith("analyze")}
    assert "analyze core.usage_28d_2026_06" in analysed
    assert "analyze marts.act_account" in analysed
    assert not analysed & {"analyze core.usage_28d", "analyze core.usage_28d_2026_05"}


def test_elapsed_grace_period_alone_restates_a_renewal(built: pytest.MonkeyPatch) -> None:
    """Account 2's term ended on 15 May; on 13 June its 30 days of grace still run, on 14 June they are over."""
    state = "select outcome from core.renewal where account_key = 'crm:2'"
    kept = "select kept_arr > 0 from marts.account_day where account_key = 'crm:2' and day = '2026-05-20'"
    built.setenv("PERENNIAL_NOW", "2026-06-13T08:00:00+00:00")
    build.run("second")
    assert (value(state), value(kept)) == ("open", True)
    built.setenv("PERENNIAL_NOW", "2026-06-14T08:00:00+00:00")
    build.run("third")
    assert (value(state), value(kept)) == ("lost", False)
    assert (
        value("select movement from marts.arr_movement where account_key = 'crm:2' and day = '2026-05-15'") == "churn"
    )


def test_clock_set_back_does_not_move_the_newest_day_back(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-01T08:00:00+00:00")
    assert not build.plan("second")


def test_changed_setting_rebuilds_tables_by_account(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world.use_short_history(built, tmp_path, grace=5)
    planned = build.plan("second")
    assert planned.reason == "setting grace_days changed: default"
    build.run("second")
    assert value("select outcome from core.renewal where account_key = 'crm:2'") == "lost"
    assert not build.plan("third")


def test_closed_days_of_the_desk_are_a_changed_setting(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config" / "kpis.yaml").write_text("closed_days: [2026-05-25, 2026-12-25]\n")
    assert build.plan("second").reason == "setting closed_day changed: 2026-05-25, 2026-12-25"


@pytest.mark.parametrize("now", ["2026-06-10T13:00:00+00:00", "2026-06-11T13:00:00+00:00"])
def test_changed_setting_rebuilds_every_day(built: pytest.MonkeyPatch, tmp_path: Path, now: str) -> None:
    built.setenv("PERENNIAL_NOW", now)
    (tmp_path / "config" / "usage.yaml").write_text("value_events: [api]\nkey_features: [api]\n")
    build.run("second")
    assert value("select count(*) from marts.account_day where account_key = 'crm:1' and usage_28d > 0") == 0
    world.assert_equals_scratch(built)


def test_setting_reverted_after_a_dead_build_leaves_no_trace(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = world.snapshot()
    usage = tmp_path / "config" / "usage.yaml"
    usage.write_text("value_events: [api]\nkey_features: [api]\n")
    build.plan("dead")
    build.build_model("dead", "core.account_bridge")
    build.build_model("dead", "core.usage_day")
    assert world.snapshot() != before
    usage.unlink()
    build.run("next")
    assert world.snapshot() == before
    assert not build.plan("third")


def test_unused_setting_needs_no_build(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "config" / "settings.yaml"
    settings.write_text(settings.read_text() + "oldest_data_hours: {default: 12}\n")
    assert build.plan("second").reason == "nothing changed since the last build"


def test_record_moved_to_another_account_leaves_the_old_one(built: pytest.MonkeyPatch) -> None:
    query = "select account_key from core.ticket where ticket_id = 't1'"
    assert value(query) == "crm:1"
    world.load("organization", world.organization("o1", crm_id="3"))
    build.run("second")
    assert rows(query) == [("crm:3",)]
    assert (
        value("select n_open_tickets from marts.account_day where account_key = 'crm:1' and day = '2026-06-10'") is None
    )
    assert value("select n_open_tickets from marts.account_day where account_key = 'crm:3' and day = '2026-06-10'") == 1


def test_merged_accounts_become_one(built: pytest.MonkeyPatch) -> None:
    world.load("account", world.account("1", merged_ids="2"))
    build.run("second")
    assert "crm:2" not in {key for (key,) in rows("select account_key from core.account")}
    assert rows("select distinct account_key from core.contract_line where opportunity_key = 'crm:d2'") == [("crm:1",)]
    assert rows("select count(*) from marts.account_day where account_key = 'crm:2'") == [(0,)]


def test_changed_owner_triggers_a_build_without_dirty_accounts(built: pytest.MonkeyPatch) -> None:
    built.setenv("PERENNIAL_NOW", "2026-06-10T13:00:00+00:00")
    world.load("owner", world.owner("7", is_active=False))
    assert build.plan("second").reason == "owner records changed"
    build.run("second")
    assert value("select bool_or(owner_is_active) from marts.act_renewal_checkpoint where owner_key = 'crm:7'") is False
    assert not build.plan("third")


def test_dirty_ranges_are_cleared_only_by_a_complete_build(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    build.plan("second")
    for name in registry.names()[:-1]:
        build.build_model("second", name)
    with pytest.raises(WarehouseError, match="cannot be finished"):
        build.finish("second")
    assert value("select count(*) from meta.dirty_range where built_by is null") == 1
    build.build_model("second", registry.names()[-1])
    build.finish("second")
    assert value("select built_by from meta.dirty_range order by dirty_id desc limit 1") == "second"


def test_dirty_range_after_the_plan_waits_for_the_next_build(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    build.plan("second")
    world.load("usage_day", world.usage("3", "u3", date(2026, 6, 9), 70))
    for name in registry.names():
        build.build_model("second", name)
    build.finish("second")
    assert build.plan("third").reason == "1 dirty ranges"
    build.run("third")
    assert value("select usage_28d from marts.account_day where account_key = 'crm:3' and day = '2026-06-09'") >= 70


def test_killed_build_resumes_where_it_stopped(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    build.plan("second")
    half = registry.names()[: len(registry.names()) // 2]
    first = [build.build_model("second", name) for name in half]
    assert build.plan("second").reason == "build second resumed"
    assert [build.build_model("second", name).n_rows for name in half] == [one.n_rows for one in first]
    assert isinstance(build.run("second"), build.Finished)
    assert not build.plan("second")
    world.assert_equals_scratch(built)


def test_next_build_finishes_the_work_of_a_dead_one(built: pytest.MonkeyPatch) -> None:
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 8), 50))
    build.plan("dead")
    build.build_model("dead", "core.account_bridge")
    build.build_model("dead", "core.usage_day")
    # The usage rows are already loaded: only the dead build knew that they were new.
    assert isinstance(build.run("next"), build.Finished)
    assert value("select state from meta.build where build_id = 'dead'") == "superseded"
    assert value("select count(*) from meta.build_change") == 0
    assert not build.plan("dead")
    world.assert_equals_scratch(built)


def test_failed_check_leaves_the_table_unchanged(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = world.snapshot()
    checks = world.overlay(tmp_path, "core/ticket") / "checks.sql"
    checks.write_text(
        "-- fail: no_urgent: An urgent ticket.\n"
        "select ticket_key, 'secret' as x from core.ticket where priority = 'urgent'\n"
    )
    world.load("ticket", world.ticket("t9", "o1", priority="urgent"))
    with pytest.raises(
        ContractError,
        match=r"core\.ticket: check no_urgent found 1 rows: An urgent ticket\. First: ticket_key support:t9 ",
    ):
        build.run("second")
    assert world.snapshot() == before
    assert value("select state from meta.build where build_id = 'second'") == "failed"
    assert rows("select severity, n_bad from meta.check_result where check_name = 'no_urgent'") == [("fail", 1)]
    checks.unlink()
    assert isinstance(build.run("second"), build.Finished)
    assert value("select count(*) from core.ticket where ticket_id = 't9'") == 1
    assert not build.plan("third")


def test_warning_is_only_recorded(built: pytest.MonkeyPatch) -> None:
    world.load("organization", world.organization("nobody", crm_id="999"))
    done = build.run("second")
    assert isinstance(done, build.Finished)
    assert rows(
        "select severity, n_bad from meta.check_result where build_id = 'second' and check_name = 'unmatched_id'"
    ) == [("warn", 1)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "select account_key,\n  nothing as user_key\nfrom core.account_bridge",
            r"query\.sql:2: core\.bot_user cannot",
        ),
        ("select account_key, source_id as user_key\nfrom core.account_bridge\nwhere 1 / 0 = 1", r"division by zero"),
        (
            "select account_key, source_id as user_key\nfrom core.account_bridge\n"
            "where cast(source_id as date) is null",
            r"cannot be built: invalid datetime format \(SQLSTATE 22007\) \| make the query cast",
        ),
        (
            "select account_key, source_id as user_key\nfrom core.account_bridge\n"
            "where cast(cast(source_id || '99999999999' as numeric) as integer) = 1 and source = 'crm'",
            r"cannot be built: numeric value out of range \(SQLSTATE 22003\) \| make the query cast",
        ),
        ("select 'x' as user_key, account_key\nfrom core.account_bridge", r"two rows with the same key \(user_key\)"),
        (
            "select null as user_key, 'x' as account_key",
            r"a row with a null key \(user_key\): user_key is null \|",
        ),
    ],
)
def test_broken_query_is_reported_with_its_file(
    built: pytest.MonkeyPatch, tmp_path: Path, query: str, message: str
) -> None:
    metadata = (registry.get("core.bot_user").path.parent / "metadata.yaml").read_text()
    folder = world.overlay(tmp_path, "core/bot_user")
    order = ["account_key", "user_key"] if query.startswith("select account_key") else ["user_key", "account_key"]
    head, _, _ = metadata.partition("columns:")
    folder.joinpath("metadata.yaml").write_text(
        head + "columns:\n" + "".join(f"  {name}: {{type: text, description: A column.}}\n" for name in order)
    )
    folder.joinpath("query.sql").write_text(query)
    before = world.snapshot()
    with pytest.raises((ConfigError, ContractError), match=message) as caught:
        build.run("second")
    assert "core/bot_user/query.sql" in str(caught.value)
    assert world.snapshot() == before


def test_new_table_is_filled_from_the_first_day(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = world.overlay(tmp_path, "marts/mine")
    folder.joinpath("query.sql").write_text(
        "select account_key, day, arr from marts.account_day where day >= :start and day < :end"
        " and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))"
    )
    folder.joinpath("metadata.yaml").write_text(
        "description: One row per account and day.\nowner: data_team\ntier: tier_3\ntags: [kpi]\n"
        "materialisation: account_day\nwindow_column: day\nunique_key: [account_key, day]\ncolumns:\n"
        "  account_key: {type: text, description: The account.}\n  day: {type: date, description: The day.}\n"
        '  arr: {type: "numeric(18,2)", description: The amount.}\n'
    )
    assert build.plan("second")
    build.run("second")
    assert value("select count(*) from marts.mine") == value("select count(*) from marts.account_day")
