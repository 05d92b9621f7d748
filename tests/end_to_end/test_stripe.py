"""The queries for Stripe: the same rows for every loading tool, and from there ARR, churn and renewals."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from include.common import clock, connections
from include.common.errors import ConfigError
from include.connectors import registry
from include.continuation import review
from include.ingest import pipeline
from include.models import build
from include.warehouse.engine import engine
from tests.fixtures.landing import START, record, rows, store
from tests.fixtures.stripe_landed import (
    SHAPES,
    Rows,
    at,
    customer,
    discount,
    invoice,
    item,
    land,
    price,
    subscription,
)

QUERIES = Path(__file__).resolve().parents[2] / "sql" / "sources"
NOW = "2026-04-15T12:00:00+00:00"


def world() -> Rows:
    """Return the Stripe objects, one customer per case."""
    tiers = price(None, "year", billing_scheme="tiered")
    euros = price(9900, "month")  # billed in euros through currency_options
    return {
        "customer": [
            customer("cus_id", metadata={"crm_account_id": "A"}),
            customer("cus_year", metadata={"hubspot_company_id": "B"}),
            customer("cus_yen", email="ann@yen.example"),
            customer("cus_over", metadata={"crm_account_id": "D"}, discount=discount(percent_off=50)),
            customer("cus_gift", metadata={"crm_account_id": "E"}),
            customer("cus_nobody", email="bob@gmail.com"),
            customer("cus_test", livemode=False),
        ],
        "subscription": [
            subscription("sub_seats", "cus_id", "2025-01-10", item("si_seats", price(10000), 2),
                         item("si_use", price(5, usage_type="metered"), None),
                         item("si_later", price(2000), 1, "2025-06-01"),
                         item("si_out", price(2000), 1, "2025-06-01") | {"removed": at("2025-09-01")}),
            subscription("sub_year", "cus_year", "2025-03-01", item("si_year", price(120000, "year"), 1),
                         item("si_tiers", tiers, 30),
                         discount=discount(percent_off=25), created="2025-02-20"),
            subscription("sub_yen", "cus_yen", "2025-06-01",
                         item("si_yen", price(120000, "year", currency="jpy"), 1), currency="jpy",
                         trial_end="2025-06-15", cancel_at="2026-06-15", canceled_at="2026-02-01",
                         cancel_at_period_end=True, cancellation_details={"feedback": "too_expensive", "reason": None}),
            subscription("sub_over", "cus_over", "2025-01-01", item("si_over", price("4999.5"), 1), status="canceled",
                         ended_at="2025-11-20", canceled_at="2025-11-20",),
            subscription("sub_packs", "cus_nobody", "2025-01-01",
                         item("si_packs", price(2000, transform_quantity={"divide_by": 10, "round": "up"}), 25),
                         item("si_week", price(700, "week"), 1), discount=discount("2030-01-01", amount_off=1000,
                                                                           duration="repeating")),
            subscription("sub_ended", "cus_nobody", "2025-01-01", item("si_ended", price(500, interval_count=3), 1),
                         discount=discount("2025-03-01", percent_off=50, duration="repeating")),
            subscription("sub_once", "cus_nobody", "2025-01-01", item("si_once", euros, 1), currency="eur",
                         discount=discount(percent_off=50, duration="once")),
            subscription("sub_trial", "cus_nobody", "2026-04-10", item("si_trial", price(100), 1), status="trialing",
                         trial_end="2026-04-24"),
            subscription("sub_never", "cus_nobody", "2025-01-01", item("si_never", price(100), 1), status="canceled",
                         trial_end="2025-01-15", ended_at="2025-01-10", canceled_at="2025-01-10"),
            # The trial was extended while it ran, which postpones an invoice. Earlier payments stay.
            subscription("sub_moved", "cus_nobody", "2025-01-01", item("si_moved", price(100), 1),
                         status="trialing", trial_start="2026-03-01", trial_end="2026-04-24"),
            subscription("sub_tried", "cus_nobody", "2025-01-01", item("si_tried", price(100), 1),
                         trial_end="2025-02-01"),
            subscription("sub_unpaid", "cus_nobody", "2025-01-01", item("si_unpaid", price(100), 1),
                         status="incomplete_expired", ended_at="2025-01-02"),
            # A 100% coupon for some months, expired and active; a failed first payment after a trial.
            subscription("sub_free", "cus_nobody", "2025-01-01", item("si_free", price(100), 1),
                         discount=discount("2025-04-01", "2025-01-01", percent_off=100, duration="repeating")),
            subscription("sub_gift", "cus_gift", "2026-03-01", item("si_gift", price(10000), 1),
                         discount=discount("2030-01-01", "2026-03-01", percent_off=100, duration="repeating")),
            subscription("sub_due", "cus_nobody", "2025-01-01", item("si_due", price(100), 1), status="past_due",
                         trial_end="2025-02-01"),
            subscription("sub_dunned", "cus_nobody", "2025-01-01", item("si_dunned", price(100), 1), status="canceled",
                         trial_end="2025-02-01", ended_at="2025-03-01", canceled_at="2025-03-01"),
            # A newer API version lists the discounts (github.com/laravel/cashier-stripe/issues/1145).
            subscription("sub_stacked", "cus_nobody", "2025-01-01", item("si_stacked", price(1000), 1),
                         discounts=[discount(percent_off=10), discount(percent_off=20)]),
            # Paused in three ways, and a trial that ended without a means to pay, which Stripe calls `paused`, too.
            subscription("sub_void", "cus_nobody", "2025-01-01", item("si_void", price(100), 1),
                         pause_collection={"behavior": "void", "resumes_at": None}),
            subscription("sub_draft", "cus_nobody", "2025-01-01", item("si_draft", price(100), 1),
                         pause_collection={"behavior": "keep_as_draft", "resumes_at": None}),
            subscription("sub_stopped", "cus_nobody", "2025-01-01", item("si_stopped", price(100), 1), status="paused"),
            subscription("sub_lapsed", "cus_nobody", "2025-01-01", item("si_lapsed", price(100), 1), status="paused",
                         trial_end="2025-02-01"),
            subscription("sub_test", "cus_test", "2025-01-01", item("si_test", price(100), 1), livemode=False),
        ],
        "invoice": [
            invoice("in_1", "cus_year", "2025-03-01", 60000, paid="2025-03-04", subscription="sub_year",
                    lines=[("si_tiers", 60000, False), ("si_tiers", 999, True)]),
            invoice("in_2", "cus_nobody", "2026-03-01", 8000, subscription="sub_once", due="2026-03-15", currency="eur",
                    lines=[("si_once", 8000, False)]),
            invoice("in_4", "cus_nobody", "2025-02-01", 100, subscription="sub_due"),
            invoice("in_5", "cus_nobody", "2025-02-01", 100, subscription="sub_dunned", status="void"),
            invoice("in_6", "cus_nobody", "2025-01-01", 0, paid="2025-01-01", subscription="sub_dunned"),
            invoice("in_3", "cus_yen", "2026-03-02", 5000, currency="jpy", status="uncollectible"),
        ],
    }  # fmt: skip


LINES = {
    # amount, before discount, currency, recurs, start, end
    "si_seats": ("2400.00", "2400.00", "USD", True, date(2025, 1, 10), None),
    "si_use": ("0.60", "0.60", "USD", False, date(2025, 1, 10), None),
    "si_later": ("240.00", "240.00", "USD", True, date(2025, 6, 1), None),
    "si_year": ("900.00", "1200.00", "USD", True, date(2025, 3, 1), None),
    "si_tiers": ("450.00", "600.00", "USD", True, date(2025, 3, 1), None),
    "si_yen": ("120000.00", "120000.00", "JPY", True, date(2025, 6, 15), date(2026, 6, 15)),
    "si_over": ("299.97", "599.94", "USD", True, date(2025, 1, 1), date(2025, 11, 20)),
    "si_packs": ("612.54", "720.00", "USD", True, date(2025, 1, 1), None),  # 60 a month less 10 x 60 / 67
    "si_week": ("310.52", "365.00", "USD", True, date(2025, 1, 1), None),
    "si_ended": ("20.00", "20.00", "USD", True, date(2025, 1, 1), None),
    "si_once": ("960.00", "960.00", "EUR", True, date(2025, 1, 1), None),
    "si_trial": ("12.00", "12.00", "USD", True, date(2026, 4, 24), None),
    "si_moved": ("12.00", "12.00", "USD", True, date(2025, 1, 1), None),
    "si_tried": ("12.00", "12.00", "USD", True, date(2025, 2, 1), None),
    "si_unpaid": ("12.00", "12.00", "USD", True, date(2025, 1, 1), date(2025, 1, 2)),
    "si_free": ("12.00", "12.00", "USD", True, date(2025, 4, 1), None),
    "si_gift": ("0.00", "1200.00", "USD", True, date(2026, 3, 1), None),
    "si_due": ("12.00", "12.00", "USD", True, date(2025, 2, 1), None),
    "si_stacked": ("84.00", "120.00", "USD", True, date(2025, 1, 1), None),
    "si_void": ("12.00", "12.00", "USD", True, date(2025, 1, 1), None),
    "si_draft": ("12.00", "12.00", "USD", True, date(2025, 1, 1), None),
    "si_stopped": ("12.00", "12.00", "USD", True, date(2025, 1, 1), None),
    "si_lapsed": ("12.00", "12.00", "USD", True, date(2025, 2, 1), None),
    "si_dunned": ("12.00", "12.00", "USD", True, date(2025, 2, 1), date(2025, 3, 1)),
}
DEALS = {
    # closed, won, closed on, months, notice
    "sub_seats": (True, True, date(2025, 1, 10), None, None),
    "sub_year": (True, True, date(2025, 3, 1), 12, None),
    "sub_yen": (True, True, date(2025, 6, 15), 12, date(2026, 2, 1)),
    "sub_over": (True, True, date(2025, 1, 1), None, date(2025, 11, 20)),
    "sub_packs": (True, True, date(2025, 1, 1), None, None),
    "sub_ended": (True, True, date(2025, 1, 1), None, None),
    "sub_once": (True, True, date(2025, 1, 1), None, None),
    "sub_trial": (False, False, date(2026, 4, 24), None, None),
    "sub_never": (True, False, date(2025, 1, 10), None, None),
    "sub_moved": (True, True, date(2025, 1, 1), None, None),
    "sub_tried": (True, True, date(2025, 2, 1), None, None),
    "sub_unpaid": (True, False, date(2025, 1, 2), None, None),
    "sub_free": (True, True, date(2025, 4, 1), None, None),
    "sub_gift": (True, True, date(2026, 3, 1), None, None),
    "sub_due": (False, False, date(2025, 2, 1), None, None),
    "sub_stacked": (True, True, date(2025, 1, 1), None, None),
    "sub_void": (True, True, date(2025, 1, 1), None, None),
    "sub_draft": (True, True, date(2025, 1, 1), None, None),
    "sub_stopped": (True, True, date(2025, 1, 1), None, None),
    "sub_lapsed": (False, False, date(2025, 2, 1), None, None),
    "sub_dunned": (True, False, date(2025, 3, 1), None, None),
}


def settings(folder: Path, shape: str, *more: str) -> None:
    (folder / "config").mkdir(exist_ok=True)
    owner = "owner: {name: Ada, email: ada@example.com}"
    text = f"""sources:
  - {{id: crm, kind: crm, {owner}}}
  - {{id: stripe, kind: crm, is_billing: true, queries: {shape}, {owner}}}
"""
    (folder / "config" / "settings.yaml").write_text(text + "\n".join(more))


@pytest.fixture
def stripe(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a database for landed tables, connected as ``stripe``."""
    url = make_url(empty_database)
    said = {"conn_type": "postgres", "host": url.host, "port": url.port, "login": url.username,
            "password": url.password, "schema": url.database}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE", json.dumps(said))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_NOW", NOW)
    return empty_database


def read(entity: str) -> dict[str, dict[str, Any]]:
    source = registry.connect(connections.get("stripe"))
    pages = source.read(entity, position=None, until=clock.now())
    return {one.id: dict(one.values) for page in pages for one in page.records}


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_are_the_same_for_every_loading_tool(shape: str, stripe: str, tmp_path: Path) -> None:
    land(stripe, shape, world())
    settings(tmp_path, f"stripe/{shape}")
    lines = read("contract_line")
    found = {
        name: (str(one["amount"]), str(one["list_amount"]), one["currency"], one["is_recurring"], one["term_start"],
               one["term_end"])
        for name, one in lines.items()
    }  # fmt: skip
    own = {}
    if shape == "fivetran":  # which lands no subscription currency and keeps a removed item
        own = {
            "si_once": ("1188.00", "1188.00", "USD", True, date(2025, 1, 1), None),
            "si_out": ("240.00", "240.00", "USD", True, date(2025, 6, 1), date(2025, 9, 1)),
        }
    if shape == "dlt":  # which has a list in a table of its own, that is there only if the list ever had something
        own = {"si_stacked": ("120.00", "120.00", "USD", True, date(2025, 1, 1), None)}
    assert found == LINES | own
    assert {one["product"] for one in lines.values()} == {"Core"}
    assert {one["is_evergreen"] for one in lines.values()} == {True}

    deals = read("opportunity")
    shown = ("is_closed", "is_won", "close_date", "term_months", "notice_given_on")
    assert {name: tuple(one[each] for each in shown) for name, one in deals.items()} == DEALS
    assert {name for name, one in deals.items() if one["is_paused"]} == {"sub_void", "sub_stopped"}
    assert deals["sub_yen"]["lost_reason"] == (None if shape == "fivetran" else "too_expensive")

    accounts = read("account")
    assert {name: (one["crm_account_id"], one["domain"]) for name, one in accounts.items()} == {
        "cus_id": ("A", None), "cus_year": ("B", None), "cus_yen": (None, "yen.example"), "cus_over": ("D", None),
        "cus_gift": ("E", None), "cus_nobody": (None, "gmail.com"),
    }  # fmt: skip
    invoices = read("invoice")
    # Stripe's times are older than the sync that lands a row: a read by time would miss later syncs.
    assert {one.get("updated_at") for one in invoices.values()} == {None}
    shown_of_invoices = (
        "amount",
        "amount_open",
        "currency",
        "issued_on",
        "due_on",
        "paid_on",
        "status",
        "contract_number",
    )
    assert {name: tuple(str(one[each]) for each in shown_of_invoices) for name, one in invoices.items()} == {
        "in_1": ("600.00", "0.00", "USD", "2025-03-01", "2025-03-01", "2025-03-04", "paid", "sub_year"),
        "in_2": ("80.00", "80.00", "EUR", "2026-03-01", "2026-03-15", "None", "open", "sub_once"),
        "in_3": ("5000.00", "0.00", "JPY", "2026-03-02", "2026-03-02", "None", "void", "None"),
        "in_4": ("1.00", "1.00", "USD", "2025-02-01", "2025-02-01", "None", "open", "sub_due"),
        "in_5": ("1.00", "0.00", "USD", "2025-02-01", "2025-02-01", "None", "void", "sub_dunned"),
        "in_6": ("0.00", "0.00", "USD", "2025-01-01", "2025-01-01", "2025-01-01", "paid", "sub_dunned"),
    }


def test_missing_query_folder_is_reported(stripe: str, tmp_path: Path) -> None:
    for named, known in (
        ("stripe_stitch", "stripe_stitch"),
        ("stripe/stitch", "stripe/airbyte"),
        ("stripe", "stripe/dlt"),
    ):
        settings(tmp_path, named)
        with pytest.raises(ConfigError) as raised:
            read("account")
        assert "stitch" in raised.value.message or "stripe/airbyte" in raised.value.cure


def ingest(day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", f"{day}T12:00:00+00:00")
    assert pipeline.run("stripe").state == "green"
    assert rows("select entity, record_id, rule_id from quarantine.record") == []


def crm() -> None:
    """The CRM's records: companies, one of which moved from self-service to a deal, and a deal billed by Stripe."""
    start = (START - clock.now()).total_seconds()
    accounts = [
        record(name, start, name=name, domain=domain)
        for name, domain in (
            ("A", "a.example"),
            ("B", "b.example"),
            ("C", "yen.example"),
            ("D", "d.example"),
            ("E", "e.example"),
        )
    ]
    deal = record("d1", start, account_id="D", is_closed=True, is_won=True, close_date=date(2025, 10, 20),
                  contract_number="C-1", opportunity_type="new")  # fmt: skip
    line = record("l1", start, opportunity_id="d1", product="Core", quantity=1, amount=12000, currency="USD",
                  is_recurring=True, term_start=date(2025, 11, 1), term_end=date(2026, 11, 1))  # fmt: skip
    for entity, found in (("account", accounts), ("opportunity", [deal]), ("contract_line", [line])):
        store(*found, source="crm", vendor="hubspot", entity=entity, read_until=clock.now())


def test_from_landed_tables_to_arr_churn_and_renewals(
    stripe: str, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    settings(tmp_path, "stripe/airbyte")
    (tmp_path / "config" / "kpis.yaml").write_text(
        (QUERIES.parents[1] / "include/defaults/config/kpis.yaml")
        .read_text()
        .replace("plan_rates: {}", "plan_rates: {JPY: {2025: 0.01, 2026: 0.01}, EUR: {2025: 1.1, 2026: 1.1}}")
    )
    first = world()
    land(stripe, "airbyte", first)
    ingest("2026-04-13", monkeypatch)
    crm()
    # Three more seats, changed in place; the later item is removed, and the free one is now paid for
    # (github.com/dj-stripe/dj-stripe/pull/1264).
    seats = first["subscription"][0]["items"]["data"]
    seats[0]["quantity"] = 5
    del seats[2]
    next(one for one in first["subscription"] if one["id"] == "sub_gift")["discount"] = None
    land(stripe, "airbyte", first)
    ingest("2026-04-14", monkeypatch)
    monkeypatch.setenv("PERENNIAL_NOW", NOW)
    with engine("loader").begin() as connection:
        connection.exec_driver_sql("insert into meta.verdict (source, kind, state) values ('crm', 'crm', 'green')")
    assert isinstance(build.run("first"), build.Finished)

    bridge = "select source_id, account_key, method from core.account_bridge where source = 'stripe' order by 1"
    assert rows(bridge) == [
        ("cus_gift", "crm:E", "crm_account_id"), ("cus_id", "crm:A", "crm_account_id"), ("cus_nobody", None, "none"),
        ("cus_over", "crm:D", "crm_account_id"),
        ("cus_year", "crm:B", "crm_account_id"), ("cus_yen", "crm:C", "domain"),
    ]  # fmt: skip
    arr = rows("select account_key, from_day, arr from core.arr_step where from_day < '2100-01-01' order by 1, 2")
    assert [(key, str(day), float(value)) for key, day, value in arr] == [
        ("crm:A", "2025-01-10", 2400.0), ("crm:A", "2025-06-01", 2640.0), ("crm:A", "2026-04-14", 6000.0),
        ("crm:B", "2025-03-01", 1350.0),
        ("crm:C", "2025-06-15", 1200.0), ("crm:C", "2026-06-15", 0.0),
        # 299.97 from Stripe until the deal counts; the subscription's 19 overlapping days do not.
        ("crm:D", "2025-01-01", 299.97), ("crm:D", "2025-11-01", 12000.0), ("crm:D", "2026-11-01", 0.0),
        ("crm:E", "2026-04-14", 1200.0),
    ]  # fmt: skip
    assert rows("select account_key, due_date, outcome, target_arr from core.renewal order by 1, 2") == [
        ("crm:B", date(2026, 3, 1), "auto", 1350), ("crm:B", date(2027, 3, 1), "open", 1350),
        ("crm:C", date(2026, 6, 15), "open", 1200), ("crm:D", date(2026, 11, 1), "open", 12000),
    ]  # fmt: skip
    assert rows("select forecast_category from marts.renewal_due where account_key = 'crm:C'") == [("committed_churn",)]
    moved = rows("select account_key, day, movement from marts.arr_movement where day > '2025-10-01' order by 2")
    assert sorted(moved) == [
        ("crm:A", date(2026, 4, 14), "expansion"), ("crm:D", date(2025, 11, 1), "expansion"),
        ("crm:E", date(2026, 4, 14), "new"),
    ]  # fmt: skip
    assert rows("select account_key from core.account_gap where part = 'contracts'") == []
    # One finding per unknown customer, in dollars: euros and yen cannot be summed.
    (nobody,) = review.findings("no_account")
    assert (nobody.subject, nobody.arr) == ("stripe:cus_nobody", 2155.06)
