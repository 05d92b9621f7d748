"""Validation of whole batches on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa

from include.common.errors import WarehouseError
from include.contracts import catalogue, engine, store
from include.contracts.catalogue import of_entity
from include.contracts.rule import not_null, rule
from include.contracts.validate import validate
from include.entities.catalog import ENTITIES, of_kind
from include.warehouse.engine import engine as warehouse_engine
from tests.contracts.landed import NOW, batch, fetch, good, land, source_of
from tests.contracts.landed import store as put


def _execute(statement: str) -> None:
    with warehouse_engine("loader").begin() as connection:
        connection.execute(sa.text(statement))


def _state() -> list:
    return [
        fetch("select * from meta.rule_result order by batch_id, rule_id"),
        fetch(
            "select rule_id, row_no, reason, record, state from quarantine.record order by batch_id, rule_id, row_no"
        ),
        fetch("select batch_id, state, hold_reason, n_quarantined, validated_at from meta.batch order by batch_id"),
    ]


@pytest.mark.parametrize("kind", ["crm", "support", "product"])
def test_good_data_passes_every_rule(warehouse: str, kind: str) -> None:
    put("account", good("account"))
    batches = {entity.name: land(entity.name, good(entity.name, 5), is_first_load=True) for entity in of_kind(kind)}
    verdicts = validate(source_of(of_kind(kind)[0].name))
    assert [verdict.broken for verdict in verdicts] == [()] * len(batches)
    assert [(verdict.batch_id, verdict.state) for verdict in verdicts] == [(i, "passed") for i in batches.values()]
    for entity, batch_id in batches.items():
        found = batch(batch_id)
        assert (found["state"], found["n_quarantined"], found["hold_reason"]) == ("closed", 0, "")
        assert found["validated_at"] == NOW
        results = {
            row["rule_id"]: row for row in fetch("select * from meta.rule_result where batch_id = :i", i=batch_id)
        }
        assert {rule.id for rule in of_entity(entity) if rule.scope == "row"} <= set(results)
        assert all(row["is_passed"] and row["n_bad"] == 0 for row in results.values())
        # A rule on comments has no rows to check among status changes.
        assert {row["n_rows"] for rule_id, row in results.items() if not rule_id.endswith(".is_public_present")} == {5}
    assert fetch("select * from quarantine.record") == []


def test_every_entity_has_a_contract() -> None:
    for name in ENTITIES:
        assert len(of_entity(name)) > 8, name


def _forget() -> None:
    catalogue.shipped.cache_clear()
    catalogue._rules.cache_clear()


def test_duplicate_rule_ids_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue.support, "rules", catalogue.crm.rules)
    _forget()
    try:
        with pytest.raises(ValueError, match=r"crm\.account\.castable"):
            catalogue.rules()
    finally:
        _forget()


def test_other_sources_and_open_decisions_are_left_alone(warehouse: str) -> None:
    other = land("account", good("account"), source="crm_two")
    landing = land("account", good("account"), state="landing")
    done = land("contact", good("contact"), validated_at=NOW)
    assert validate("crm") == []
    assert [batch(i)["validated_at"] for i in (other, landing, done)] == [None, None, NOW]


def test_empty_batch_passes_unless_it_deletes_everything(warehouse: str) -> None:
    put("account", good("account", 50))
    put("contact", good("contact", 10))
    plain, empty, small = (
        land("account", []),
        land("account", [], is_full=True),
        land("contact", [], is_full=True),
    )
    verdicts = {verdict.batch_id: verdict.state for verdict in validate("crm")}
    # Ten of ten are deleted too, but so few can be legitimate.
    assert verdicts == {plain: "passed", empty: "held", small: "passed"}
    assert "an unusually large share of all records was deleted" in batch(empty)["hold_reason"]


def test_full_read_is_judged_across_its_batches(warehouse: str) -> None:
    put("account", good("account", 100))
    first = land("account", good("account", 60), is_full=True, cursor_after=None)
    _execute(f"create table raw.seen_{first} as select cast(i as text) as id from generate_series(1, 60) as i")
    # Forty are not read yet, but the read continues.
    assert [verdict.state for verdict in validate("crm")] == ["passed"]
    last = land("account", good("account", 40, first=61), is_full=True, read_id=first)
    _execute(f"insert into raw.seen_{first} select i from generate_series(61, 100) as i")
    assert [verdict.state for verdict in validate("crm")] == ["passed"]
    _execute(f"update meta.batch set validated_at = null where batch_id = {last}")
    _execute(f"delete from raw.seen_{first} where cast(id as int) > 80")
    (verdict,) = validate("crm")
    assert verdict.state == "held" and [(b.rule_id, b.n_bad) for b in verdict.broken] == [
        ("crm.account.deletions_few", 20)
    ]


def test_volume_rules_never_hold_a_first_load(warehouse: str) -> None:
    put("account", good("account", 200))
    land("account", good("account", 1500, first=1000), is_first_load=True)
    assert [verdict.broken for verdict in validate("crm")] == [()]


def test_held_batch_names_the_worst_rules_and_keeps_its_bad_rows(warehouse: str) -> None:
    rows = good("usage_day", 100)
    for row in rows[:15]:
        row["n_events"] = -1
    for row in rows[15:22]:
        row["feature"] = None
    batch_id = land("usage_day", rows)
    (verdict,) = validate("product_db")
    assert (verdict.state, verdict.n_quarantined) == ("held", 22)
    assert (
        verdict.hold_reason
        == batch(batch_id)["hold_reason"]
        == (
            "too many rows break critical rules (22 of 100 rows; product.usage_day.n_events_non_negative (15), "
            "product.usage_day.feature_present (7)) [product.usage_day.share_of_bad_rows]"
        )
    )
    # Once accepted, good rows are merged and bad ones are not.
    assert fetch(f"select count(*) as n from raw.batch_{batch_id} where _failed is null") == [{"n": 78}]


def test_missing_columns_are_named(warehouse: str) -> None:
    put("account", good("account", 60))
    batch_id = land("account", [row | {"industry": None, "region": None} for row in good("account", 20)])
    validate("crm")
    assert "(industry, region)" in batch(batch_id)["hold_reason"]


def test_second_validation_adds_no_duplicates(warehouse: str) -> None:
    land("usage_day", [*good("usage_day", 30), good("usage_day", first=31)[0] | {"n_events": -1}])
    validate("product_db")
    first = _state()
    assert validate("product_db") == [] and _state() == first
    _execute("update meta.batch set validated_at = null")
    validate("product_db")
    assert _state() == first


def test_revalidation_after_a_rule_fix_clears_old_findings(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = land("usage_day", [good("usage_day")[0] | {"n_events": -1}])
    validate("product_db")
    lenient = tuple(rule for rule in of_entity("usage_day") if not rule.id.endswith("n_events_non_negative"))
    monkeypatch.setattr(catalogue, "of_entity", lambda name: lenient)
    _execute("update meta.batch set validated_at = null")
    validate("product_db")
    assert fetch("select * from quarantine.record") == [] and batch(batch_id)["n_quarantined"] == 0
    assert fetch(f"select _failed from raw.batch_{batch_id}") == [{"_failed": None}]


@pytest.mark.parametrize("step", ["clear", "quarantine", "write_results"])
def test_kill_during_validation_leaves_nothing_and_resumes(
    warehouse: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bad = good("usage_day")[0] | {"n_events": -1}
    first, second = land("usage_day", [bad]), land("usage_day", [bad | {"id": "2"}])
    todo = getattr(store, step)

    def dies(connection: sa.Connection, known, *arguments: object) -> object:
        found = todo(connection, known, *arguments)
        if known.batch_id == second:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(store, step, dies)
    with pytest.raises(KeyboardInterrupt):
        validate("product_db")
    monkeypatch.undo()
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", warehouse)
    assert [batch(i)["validated_at"] is None for i in (first, second)] == [False, True]
    assert fetch("select 1 from meta.rule_result where batch_id = :i", i=second) == []
    assert fetch("select 1 from quarantine.record where batch_id = :i", i=second) == []
    assert fetch(f"select _failed from raw.batch_{second}") == [{"_failed": None}]
    assert [verdict.batch_id for verdict in validate("product_db")] == [second]
    assert len(fetch("select * from quarantine.record")) == 2


def test_batch_dropped_meanwhile_is_left_alone(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.contracts import validate as module

    batch_id = land("account", good("account"))
    judge = module._validate_batch

    def late(number: int):
        _execute(f"update meta.batch set state = 'dropped' where batch_id = {batch_id}")
        return judge(number)

    monkeypatch.setattr(module, "_validate_batch", late)
    assert validate("crm") == [] and batch(batch_id)["validated_at"] is None


def test_batch_cannot_be_dropped_during_validation(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = land("account", good("account"))
    clear, refused = store.clear, []

    def dropping(*arguments) -> None:
        clear(*arguments)
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            _execute(f"set local lock_timeout = '100ms'; update meta.batch set n_rows = 0 where batch_id = {batch_id}")
        refused.append(True)

    monkeypatch.setattr(store, "clear", dropping)
    assert [verdict.state for verdict in validate("crm")] == ["passed"] and refused


def test_failing_rule_check_admits_nothing(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = rule("account", "broken", not_null("no_such_column"), "says", why="why", cure="cure")
    monkeypatch.setattr(catalogue, "of_entity", lambda name: (broken,))
    batch_id = land("account", good("account"))
    with pytest.raises(WarehouseError, match=r"crm\.account\.broken could not be checked"):
        validate("crm")
    assert batch(batch_id)["validated_at"] is None and fetch("select * from meta.rule_result") == []


def test_rows_counted_but_not_found_are_an_error(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    land("usage_day", [row | {"n_events": -1} for row in good("usage_day", 3)])
    monkeypatch.setattr(engine.Table, "_run", _forgetful(engine.Table._run))
    with pytest.raises(WarehouseError, match="3 rows break it, but 2 were found"):
        validate("product_db")


def _forgetful(run):
    def forgets(self, checks, result_format):
        results = run(self, checks, result_format)
        for result in results:
            for part in result["result"].get("unexpected_index_list") or []:
                part["_row"].pop()
        return results

    return forgets


def test_many_bad_rows_hold_the_batch_at_once(warehouse: str) -> None:
    rows = good("usage_day", 20_000)
    for row in rows[::10]:
        row["n_events"] = -1
    batch_id = land("usage_day", rows)
    land("account", good("account"))
    asked: list[str] = []

    def note(connection, cursor, statement, *_) -> None:
        asked.append(statement)

    made = warehouse_engine("loader")
    sa.event.listen(made, "before_cursor_execute", note)
    try:
        (verdict,) = validate("product_db")
    finally:
        sa.event.remove(made, "before_cursor_execute", note)
    assert len(asked) < 200, "nothing is asked row by row"
    assert (verdict.state, verdict.n_quarantined) == ("held", 2000)
    counts = fetch(
        "select count(*) as n, count(record) as n_whole from quarantine.record where batch_id = :i", i=batch_id
    )
    assert counts == [{"n": 2000, "n_whole": store.ROWS_KEPT}]


def test_rule_query_runs_once_if_rows_are_not_needed(warehouse: str) -> None:
    put("product_account", [good("product_account")[0] | {"id": "a1"}])
    land("usage_day", [good("usage_day")[0] | {"account_id": "nowhere"}], is_first_load=True)
    asked: list[str] = []

    def note(connection, cursor, statement, *_) -> None:
        asked.append(statement)

    loader = warehouse_engine("loader")
    sa.event.listen(loader, "before_cursor_execute", note)
    try:
        verdict = validate("product_db")[0]
    finally:
        sa.event.remove(loader, "before_cursor_execute", note)
    assert [broken.rule_id for broken in verdict.broken] == ["product.usage_day.account_exists"]
    assert sum("target.id = batch.account_id" in statement for statement in asked) == 1


def test_great_expectations_is_imported_only_for_validation() -> None:
    probe = (
        "import sys, include.contracts.validate as v; v.catalogue.rules(); print('great_expectations' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_scipy_internals_are_imported_lazily() -> None:
    probe = (
        "import sys; from include.contracts import engine; engine.context();"
        " import great_expectations.expectations, scipy;"
        " print('scipy.stats._distn_infrastructure' in sys.modules, scipy.stats.norm.cdf(0))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "0.5"], "imported before it is used, or not even then"


def test_validation_prints_nothing(
    warehouse: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Own log lines may be printed. Only Great Expectations must be silent.
    monkeypatch.setattr("include.contracts.validate.log.disabled", True)
    land("account", good("account", 3))
    validate("crm")
    assert capfd.readouterr() == ("", "")


# Rows of Monday to Sunday.
