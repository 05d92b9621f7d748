"""A changed query or setting rebuilds only the models and accounts it affects.

Each test compares the final tables with a build from scratch.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.config import files
from include.models import build, fingerprints, registry
from include.models.build_store import Built
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

# Rebuilt completely by every build.
ALWAYS = {name for name, model in registry.load().items() if model.metadata.materialisation in ("table", "frozen")}


def redefine(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Write a changed query of a model into the overlay."""
    model = registry.get(name)
    text = change(model.path.read_text())
    place = folder / "sql" / model.folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "query.sql").write_text(text)


def setting(folder: Path, file: str, text: str) -> None:
    """Write a file of settings into the overlay."""
    (folder / "config" / file).write_text(text)


def scopes(build_id: str) -> dict[str, str]:
    """Return model -> rebuilt scope, without the models of every build."""
    found = rows(f"select model, scope from meta.build_model where build_id = '{build_id}' and scope <> 'nothing'")
    return {model: scope for model, scope in found if model not in ALWAYS}


def reason(build_id: str, model: str) -> str:
    """Return why a build rebuilt a model."""
    return value(f"select reason from meta.build_model where build_id = '{build_id}' and model = '{model}'")


@pytest.mark.parametrize(
    "change",
    [
        lambda query: "-- Reworded.\n" + query.replace("-- Purpose:", "-- What it is for:"),
        lambda query: "\n\n".join(f"  {line.strip()} " for line in query.splitlines()),
        lambda query: query.replace("select", "SELECT").replace("coalesce(", "COALESCE("),
    ],
    ids=["comment", "layout", "case of keywords"],
)
def test_change_invisible_to_the_database_rebuilds_nothing(
    built: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[str], str]
) -> None:
    with files.checked_once():  # each written file makes all models be reread
        for name, model in registry.load().items():
            if model.path.name == "query.sql":
                redefine(tmp_path, name, change)
    assert build.plan("second").reason == "nothing changed since the last build"


def test_quoted_text_is_not_layout(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(tmp_path, "marts.act_account", lambda query: query.replace("'all'", "'ALL'").replace("''", "' '"))
    assert build.plan("second").reason == "marts.act_account: query changed"


def test_exclusion_rebuilds_one_account(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = world.snapshot(but=("crm:2",))
    text = "exclusions:\n  - {account: crm:2, reason: A test., owner: Ops, until: 2027-01-01}\n"
    setting(tmp_path, "settings.yaml", world.SETTINGS.format(grace=30) + text)
    assert build.plan("second").reason == "setting exclusion changed: crm:2"
    assert isinstance(build.run("second"), build.Finished)
    assert value("select is_excluded from core.account where account_key = 'crm:2'")
    assert reason("second", "core.account") == "meta.exclusion changed"
    by_account = {
        name
        for name, model in registry.load().items()
        if model.metadata.materialisation in ("account", "account_day") and name not in ALWAYS
    }
    made = scopes("second")
    assert {name: made[name] for name in by_account & made.keys() if not made[name].startswith("1 accounts, ")} == {}
    assert {"core.usage_day", "core.contract_line", "core.ticket"}.isdisjoint(made)
    after = world.snapshot(but=("crm:2",))
    assert {name for name in by_account if name in before and before[name] != after[name]} == set()
    world.assert_equals_scratch(built)


def test_plan_rate_rebuilds_the_accounts_of_its_currency(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world.load("account", world.account("4"))
    world.load("opportunity", world.deal("d4", "4", close_date=date(2025, 12, 1)))
    world.load("contract_line", world.line("l4", "d4", 600, date(2026, 1, 1), date(2027, 1, 1), currency="EUR"))
    setting(tmp_path, "kpis.yaml", "plan_rates: {EUR: {2026: 1.1}, GBP: {2026: 1.3}}\n")
    build.run("euros")
    setting(tmp_path, "kpis.yaml", "plan_rates: {EUR: {2026: 1.2}, GBP: {2026: 1.3}}\n")
    assert build.plan("second").reason == "setting plan_rate changed: EUR"
    build.run("second")
    assert value("select kept_arr from core.arr_step where account_key = 'crm:4' and kept_arr > 0") == 720
    made = scopes("second")
    assert made["core.arr_step"].startswith("1 accounts, ")
    assert made["marts.account_day"].startswith("1 accounts, ")
    assert "core.usage_28d" not in made
    world.assert_equals_scratch(built)


def test_rate_of_an_unused_currency_rebuilds_nothing(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting(tmp_path, "kpis.yaml", "plan_rates: {GBP: {2026: 1.3}}\n")
    assert build.plan("second").reason == "nothing changed since the last build"


def test_later_rate_changes_nothing_before_the_year_compared_with_it(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fiscal year 2028 begins on 1 May 2027, so values at next year's rates change from 1 May 2026."""
    world.load("account", world.account("4"))
    world.load("opportunity", world.deal("d4", "4", close_date=date(2025, 1, 1)))
    world.load("contract_line", world.line("l4", "d4", 600, date(2025, 6, 1), date(2027, 6, 1), currency="EUR"))
    for build_id, rates in (("before", "{2025: 1.1, 2026: 1.1}"), ("after", "{2025: 1.1, 2026: 1.1, 2028: 1.4}")):
        setting(tmp_path, "kpis.yaml", f"fiscal_year_start_month: 5\nplan_rates: {{EUR: {rates}}}\n")
        build.run(build_id)
    assert scopes("after")["core.arr_step"].startswith("1 accounts, ")
    assert scopes("after")["marts.account_day"] == "1 accounts, 2026-05-01 to 2026-06-10"
    world.assert_equals_scratch(built)


@pytest.mark.parametrize(
    ("grace", "accounts"),
    [("{default: 30, key_account: 5}", "1 accounts"), ("{default: 5}", "all accounts"), ("{default: 30, x: 1}", "")],
)
def test_grace_period_rebuilds_the_accounts_of_its_tier(
    built: pytest.MonkeyPatch, tmp_path: Path, grace: str, accounts: str
) -> None:
    """Only account 3 has tier key_account, and no account has tier x."""
    setting(tmp_path, "settings.yaml", f"history_start_months: 3\ngrace_days: {grace}\n")
    done = build.run("second")
    assert isinstance(done, build.Finished) == bool(accounts)
    if accounts:
        assert scopes("second")["core.agreed_term"].startswith(("1 accounts", "3 accounts")[accounts[0] == "a"])
        assert "core.contract_line" not in scopes("second")
        world.assert_equals_scratch(built)


def test_parameter_rebuilds_the_models_that_use_it(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting(tmp_path, "renewals.yaml", "early_days: 10\n")
    assert build.plan("second").reason == "core.renewal: setting early_days changed"
    build.run("second")
    assert scopes("second") == {"core.renewal": "all accounts, 2026-03-01 to 2026-06-10"}
    world.assert_equals_scratch(built)


def test_kpi_query_rebuilds_itself_and_the_tables_with_its_values(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(
        tmp_path,
        "marts.retention_period",
        lambda query: query.replace("sum(overage_amount) as", "sum(overage_amount) + 1 as"),
    )
    assert build.plan("second").reason == "marts.retention_period: query changed"
    build.run("second")
    made = scopes("second")
    assert set(made) == {"marts.retention_period", "marts.kpi_value"}
    assert reason("second", "marts.kpi_value") == "marts.retention_period changed"
    reasons = rows("select distinct reason from meta.kpi_restatement where build_id = 'second'")
    assert reasons == [("marts.retention_period: query changed",)]
    world.assert_equals_scratch(built)


def test_query_with_unchanged_rows_rebuilds_no_readers(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(tmp_path, "core.account", lambda query: query.replace("where v.age = 1", "where v.age = 1 and 1 = 1"))
    build.run("second")
    assert set(scopes("second")) == {"core.account"}


def test_shared_query_rebuilds_only_the_accounts_it_changes(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(
        tmp_path,
        "core.account",
        lambda query: query.replace(
            "    v.tier,", "    case v.account_id when '3' then 'small' else v.tier end as tier,"
        ),
    )
    build.run("second")
    made = scopes("second")
    assert made.pop("core.account").startswith("all accounts, ")
    assert made["core.agreed_term"].startswith("1 accounts, ")
    assert "core.usage_day" not in made
    world.assert_equals_scratch(built)


def test_changed_view_rebuilds_its_readers(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = "staging.stg_product__seat_day"
    redefine(tmp_path, name, lambda query: query.replace("n_paid_seats", "n_paid_seats + 1 as n_paid_seats", 1))
    build.run("second")
    made = scopes("second")
    assert reason("second", "core.seat_day") == "query changed"
    assert "core.usage_day" not in made
    assert value("select max(n_paid_seats) from core.seat_day") == 11
    world.assert_equals_scratch(built)


def test_killed_build_leaves_the_rest_to_the_next(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(tmp_path, "core.account", lambda query: query.replace("coalesce(v.name, v.account_key)", "upper(v.name)"))
    setting(tmp_path, "kpis.yaml", "pause_days: 10\n")
    assert build.plan("dead")
    for name in registry.names():
        build.build_model("dead", name)
        if name == "core.account":
            break
    reasons = build.plan("next").reason
    assert "core.account" not in reasons and "core.arr_step: setting pause_days changed" in reasons
    assert isinstance(build.run("next"), build.Finished)
    assert scopes("next")["core.arr_step"].startswith("all accounts")
    assert scopes("next").get("core.account") is None
    assert not build.plan("third")
    world.assert_equals_scratch(built)


def test_fingerprint_and_table_are_written_atomically(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = "core.bot_user"
    redefine(tmp_path, model, lambda query: query.replace("select", "select distinct", 1))
    failing = tmp_path / "sql" / "core" / "bot_user" / "checks.sql"
    failing.write_text("-- fail: never: Always.\nselect 1 as x\n")
    build.plan("second")
    with pytest.raises(Exception, match="check never"):
        build.build_model("second", model)
    with engine("reader").connect() as connection:
        assert list(fingerprints.changes(connection)) == [model]
    failing.unlink()
    assert isinstance(build.build_model("second", model), Built)
    with engine("reader").connect() as connection:
        assert fingerprints.changes(connection) == {}


def test_setting_changed_in_a_dead_rebuild_is_applied_by_the_next_build(
    built: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setting(tmp_path, "settings.yaml", "history_start_months: 3\ngrace_days: {default: 5}\n")
    assert not build.plan("outside", "rebuild", date(2020, 1, 1), date(2020, 1, 2))
    assert build.plan("dead", "rebuild", date(2026, 6, 1), date(2026, 6, 2))
    assert build.plan("next").reason == "build dead was not finished"
    build.run("next")
    assert value("select outcome from core.renewal where account_key = 'crm:2'") == "lost"
    world.assert_equals_scratch(built)


def test_model_without_a_fingerprint_is_rebuilt(built: pytest.MonkeyPatch) -> None:
    with engine("owner").begin() as connection:
        connection.execute(sa.text("delete from meta.model_fingerprint where model = 'core.ticket'"))
    assert build.plan("second").reason == "core.ticket: built from an unknown query"


def test_uncounted_account_rebuilds_no_totals(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Account 4 is a trial with usage and no contract."""
    world.load("account", world.account("4"))
    world.load("product_account", world.product_account("p4", "4"))
    world.load("usage_day", *(world.usage("4", "u4", date(2026, 5, day), 5) for day in range(1, 20)))
    build.run("trial")
    text = "exclusions:\n  - {account: crm:4, reason: A test., owner: Ops, until: 2027-01-01}\n"
    setting(tmp_path, "settings.yaml", world.SETTINGS.format(grace=30) + text)
    build.run("second")
    made = scopes("second")
    assert "core.account" in made
    assert {"marts.activity_period", "marts.retention_period", "marts.support_period"}.isdisjoint(made)
    world.assert_equals_scratch(built)
