"""A change costs what it touches: which models and accounts a changed query or setting makes again, and no more.

Each test compares what is there in the end with a build from scratch.
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

# Made whole by every build that is needed at all.
ALWAYS = {name for name, model in registry.load().items() if model.metadata.materialisation in ("table", "frozen")}


def redefine(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Put a model's query, changed, into the overlay."""
    model = registry.get(name)
    text = change(model.path.read_text())
    place = folder / "sql" / model.folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "query.sql").write_text(text)


def setting(folder: Path, file: str, text: str) -> None:
    """Write a file of settings into the overlay."""
    (folder / "config" / file).write_text(text)


def scopes(build_id: str) -> dict[str, str]:
    """Return what a build rebuilt of which model, next to those that every build makes."""
    found = rows(f"select model, scope from meta.build_model where build_id = '{build_id}' and scope <> 'nothing'")
    return {model: scope for model, scope in found if model not in ALWAYS}


def reason(build_id: str, model: str) -> str:
    """Return why a build made a model again."""
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
def test_what_the_database_does_not_see_costs_nothing(
    built: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[str], str]
) -> None:
    with files.checked_once():  # each file that is written makes all models be read again
        for name, model in registry.load().items():
            if model.path.name == "query.sql":
                redefine(tmp_path, name, change)
    assert build.plan("second").reason == "nothing changed since the last build"


def test_a_text_in_quotes_is_no_layout(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(tmp_path, "marts.act_account", lambda query: query.replace("'all'", "'ALL'").replace("''", "' '"))
    assert build.plan("second").reason == "marts.act_account: query changed"


def test_an_exclusion_makes_one_account_again(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_plan_rate_makes_the_accounts_of_its_currency_again(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_rate_of_a_currency_that_nobody_has_costs_nothing(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting(tmp_path, "kpis.yaml", "plan_rates: {GBP: {2026: 1.3}}\n")
    assert build.plan("second").reason == "nothing changed since the last build"


def test_a_rate_of_later_alters_nothing_before_the_year_that_compares_with_it(
    built: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fiscal year 2028 begins on 1 May 2027: what is kept at the rates of a year later has it from 1 May 2026."""
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
def test_a_grace_makes_the_accounts_of_its_tier_again(
    built: pytest.MonkeyPatch, tmp_path: Path, grace: str, accounts: str
) -> None:
    """Account 3 alone is of the tier key_account; no account is of the tier x."""
    setting(tmp_path, "settings.yaml", f"history_start_months: 3\ngrace_days: {grace}\n")
    done = build.run("second")
    assert isinstance(done, build.Finished) == bool(accounts)
    if accounts:
        assert scopes("second")["core.agreed_term"].startswith(("1 accounts", "3 accounts")[accounts[0] == "a"])
        assert "core.contract_line" not in scopes("second")
        world.assert_equals_scratch(built)


def test_a_parameter_makes_the_models_again_that_take_it(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting(tmp_path, "renewals.yaml", "early_days: 10\n")
    assert build.plan("second").reason == "core.renewal: setting early_days changed"
    build.run("second")
    assert scopes("second") == {"core.renewal": "all accounts, 2026-03-01 to 2026-06-10"}
    world.assert_equals_scratch(built)


def test_a_kpi_query_is_made_again_alone_with_what_shows_its_values(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_query_that_gives_the_same_rows_reaches_nobody(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redefine(tmp_path, "core.account", lambda query: query.replace("where v.age = 1", "where v.age = 1 and 1 = 1"))
    build.run("second")
    assert set(scopes("second")) == {"core.account"}


def test_a_query_that_many_read_reaches_whom_it_alters(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_view_that_changed_makes_its_readers_again(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = "staging.stg_product__seat_day"
    redefine(tmp_path, name, lambda query: query.replace("n_paid_seats", "n_paid_seats + 1 as n_paid_seats", 1))
    build.run("second")
    made = scopes("second")
    assert reason("second", "core.seat_day") == "query changed"
    assert "core.usage_day" not in made
    assert value("select max(n_paid_seats) from core.seat_day") == 11
    world.assert_equals_scratch(built)


def test_a_killed_build_leaves_the_rest_to_the_next(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_the_fingerprint_is_written_with_the_table_or_not_at_all(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_setting_changed_in_a_rebuild_that_dies_is_carried_by_the_next_build(
    built: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setting(tmp_path, "settings.yaml", "history_start_months: 3\ngrace_days: {default: 5}\n")
    assert not build.plan("outside", "rebuild", date(2020, 1, 1), date(2020, 1, 2))
    assert build.plan("dead", "rebuild", date(2026, 6, 1), date(2026, 6, 2))
    assert build.plan("next").reason == "build dead was not finished"
    build.run("next")
    assert value("select outcome from core.renewal where account_key = 'crm:2'") == "lost"
    world.assert_equals_scratch(built)


def test_what_was_forgotten_is_made_again(built: pytest.MonkeyPatch) -> None:
    with engine("owner").begin() as connection:
        connection.execute(sa.text("delete from meta.model_fingerprint where model = 'core.ticket'"))
    assert build.plan("second").reason == "core.ticket: built from an unknown query"


def test_an_account_that_counts_nowhere_costs_no_figure_of_all(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Account 4 is a trial: it has use and tickets to come, and no contract."""
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
