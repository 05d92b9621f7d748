"""Faults from practice: each has the right outcome, and the similar good case passes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from include.contracts import catalogue
from include.contracts.catalogue import of_entity
from include.contracts.validate import BatchVerdict, validate
from include.warehouse.engine import engine
from tests.contracts.landed import LONG_AGO, NOW, batch, fetch, good, land, source_of, store

N = 200
THURSDAY = date(2026, 11, 19)


def _varied(entity: str, n: int = N, first: int = 1) -> list[dict[str, Any]]:
    """Return realistic records, each slightly different from the next."""
    rows = good(entity, n, first)
    for number, row in enumerate(rows):
        row["created_at"] = LONG_AGO - timedelta(hours=number)
        if entity == "contract_line":
            start = date(2026, 1, 1) + timedelta(days=number)
            row |= {"amount": 1000 + number, "quantity": 1 + number % 7, "list_amount": 2000 + number}
            row |= {"term_start": start, "term_end": start + timedelta(days=365)}
        if entity == "account":
            row |= {"tier": ("key", "standard")[number % 2], "region": ("DK", "DE", "SE")[number % 3], "owner_id": "1"}
    return rows


def _judged(batch_id: int, entity: str) -> BatchVerdict:
    return next(verdict for verdict in validate(source_of(entity)) if verdict.batch_id == batch_id)


def _critical(verdict: BatchVerdict) -> set[str]:
    return {each.rule_id.split(".")[2] for each in verdict.broken if each.severity == "critical"}


@pytest.fixture
def lines(warehouse: str) -> list[dict[str, Any]]:
    rows = _varied("contract_line")
    store("contract_line", rows)
    return rows


@pytest.fixture
def accounts(warehouse: str) -> list[dict[str, Any]]:
    store("owner", good("owner", 2))
    rows = _varied("account")
    store("account", rows)
    return rows


def _again(rows: list[dict[str, Any]], **changes: Any) -> int:
    """Land known records again, each changed by its own old values."""
    made = [row | {name: change(row) for name, change in changes.items()} | {"_source_at": NOW} for row in rows]
    return land("contract_line" if "term_end" in rows[0] else "account", made)


def test_rereading_the_same_records_passes(lines: list, accounts: list) -> None:
    first, second = _again(lines), _again(accounts)
    verdicts = validate("crm")
    assert {(v.batch_id, v.state) for v in verdicts} == {(first, "passed"), (second, "passed")}


def test_empty_source_is_held(accounts: list) -> None:
    assert _critical(_judged(land("account", [], is_full=True), "account")) == {"deletions_few"}


def test_empty_product_database_is_held(warehouse: str) -> None:
    store("usage_day", good("usage_day", N))
    assert _judged(land("usage_day", [], is_full=True), "usage_day").state == "held"


def test_doubled_source_is_held(accounts: list) -> None:
    doubled = land("account", _varied("account", first=1000))
    assert _critical(_judged(doubled, "account")) == {"growth_plausible"}


def _weeks(n: int) -> None:
    for week in range(1, 5):
        day = {"day": THURSDAY - timedelta(weeks=week)}
        store("usage_day", [row | day for row in good("usage_day", n, first=10_000 * week)])


@pytest.mark.parametrize(("n", "state"), [(600, "passed"), (290, "held"), (1200, "held"), (420, "passed")])
def test_half_a_day_and_a_doubled_day_are_held(warehouse: str, n: int, state: str) -> None:
    _weeks(600)
    verdict = _judged(land("usage_day", good("usage_day", n, first=90_000)), "usage_day")
    assert verdict.state == state and ("day_complete" in _critical(verdict)) == (state == "held")


def test_holiday_and_unfinished_day_are_not_half_deliveries(warehouse: str, monkeypatch: Any) -> None:
    _weeks(600)
    today = [row | {"day": NOW.date()} for row in good("usage_day", 50, first=80_000)]
    assert _judged(land("usage_day", today), "usage_day").state == "passed"
    monkeypatch.setenv("PERENNIAL_NOW", "2026-11-27T12:00:00+00:00")
    thanksgiving = [row | {"day": date(2026, 11, 26)} for row in good("usage_day", 50, first=85_000)]
    assert _judged(land("usage_day", thanksgiving), "usage_day").state == "passed"


@pytest.mark.parametrize(
    ("one", "other"), [("amount", "quantity"), ("term_start", "term_end"), ("amount", "list_amount")]
)
def test_swapped_column_is_held(lines: list, one: str, other: str) -> None:
    batch_id = _again(lines, **{one: lambda row: row[other], other: lambda row: row[one]})
    assert _judged(batch_id, "contract_line").state == "held"


def test_swapped_words_are_held(accounts: list) -> None:
    batch_id = _again(accounts, tier=lambda row: row["region"], region=lambda row: row["tier"])
    verdict = _judged(batch_id, "account")
    assert _critical(verdict) == {"values_familiar"}
    assert "(region, tier)" in batch(batch_id)["hold_reason"]


def test_currency_change_is_held(lines: list) -> None:
    batch_id = _again(lines, currency=lambda row: "EUR")
    assert _critical(_judged(batch_id, "contract_line")) == {"values_familiar", "facts_stable"}


def test_amounts_in_cents_are_held(lines: list) -> None:
    batch_id = _again(lines, amount=lambda row: row["amount"] * 100)
    assert "facts_stable" in _critical(_judged(batch_id, "contract_line"))


def test_future_dates_go_to_quarantine_and_many_hold_the_batch(warehouse: str) -> None:
    rows = good("ticket", 300)
    for row in rows[:5]:
        row["solved_at"] = NOW + timedelta(days=3)
    few = land("ticket", rows, is_first_load=True)
    many = land("ticket", [row | {"solved_at": NOW + timedelta(days=3)} for row in good("ticket", 100, first=900)])
    verdicts = {verdict.batch_id: verdict for verdict in validate("support")}
    assert (verdicts[few].state, verdicts[few].n_quarantined) == ("passed", 5)
    assert verdicts[many].state == "held"


def test_renewals_of_a_year_shifted_by_a_day_are_held(lines: list) -> None:
    batch_id = _again(lines, term_end=lambda row: row["term_end"] - timedelta(days=1))
    assert _critical(_judged(batch_id, "contract_line")) == {"facts_stable"}
    assert "(term_end)" in batch(batch_id)["hold_reason"]


def test_export_with_a_time_zone_error_is_held(accounts: list) -> None:
    shifted = _again(accounts, created_at=lambda row: row["created_at"] + timedelta(hours=8))
    assert _critical(_judged(shifted, "account")) == {"facts_stable"}
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update meta.batch set state = 'dropped'"))
    ahead = land("account", [row | {"_source_at": NOW + timedelta(hours=8)} for row in accounts])
    assert _critical(_judged(ahead, "account")) == {"clocks_agree"}


def test_intended_bulk_edit_passes_with_a_warning(accounts: list) -> None:
    for _ in range(5):
        land("account", [], state="merged", n_rows=10, merged_at=NOW)
    rows = [row | {"owner_id": "2", "tier": "standard", "_source_at": NOW} for row in accounts * 6]
    verdict = _judged(land("account", rows), "account")
    assert verdict.state == "passed" and verdict.n_quarantined == 0
    assert {each.rule_id for each in verdict.broken} == {"crm.account.volume_usual"}


def test_broken_feature_tracking_holds_its_signals_until_it_recovers(warehouse: str) -> None:
    def used(day: date, first: int, feature: str = "reports", n: int = 20) -> list[dict[str, Any]]:
        rows = good("usage_day", n, first)
        return [row | {"account_id": f"a{number}", "day": day, "feature": feature} for number, row in enumerate(rows)]

    for week in range(1, 5):
        day = THURSDAY - timedelta(weeks=week)
        store("usage_day", used(day, 1000 * week) + used(day, 1000 * week + 500, "api"))
    broken = land("usage_day", used(THURSDAY, 9000, n=9) + used(THURSDAY, 9500, "api"))
    assert _judged(broken, "usage_day").state == "passed"
    held = fetch("select feature, day, n_accounts, n_silent from meta.feature_hold")
    assert held == [{"feature": "reports", "day": THURSDAY, "n_accounts": 20, "n_silent": 11}]
    observed = fetch("select observed from meta.rule_result where rule_id like '%feature_measured'")[0]["observed"]
    assert observed == "feature reports n_usual 20 n_silent 11"
    back = land("usage_day", used(THURSDAY, 9000) + used(THURSDAY, 9500, "api"))
    assert _judged(back, "usage_day").state == "passed"
    assert fetch("select 1 from meta.feature_hold") == []


def test_batch_rule_is_skipped_on_a_replay(accounts: list) -> None:
    batch_id = land("account", _varied("account", first=1000), is_replay=True)
    assert _judged(batch_id, "account").state == "passed"
    scopes = {row["rule_id"] for row in fetch("select rule_id from meta.rule_result where batch_id = :i", i=batch_id)}
    assert scopes <= {rule.id for rule in of_entity("account") if rule.scope == "row"}


def test_there_are_enough_rules_of_every_kind() -> None:
    scopes = [rule.scope for rule in catalogue.shipped()]
    assert len(scopes) >= 300 and set(scopes) == {"row", "batch", "feature", "source"}
