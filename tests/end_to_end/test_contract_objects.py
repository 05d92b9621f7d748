"""Contracts stored as CRM objects: HubSpot subscriptions and Salesforce contracts."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.common import clock, connections
from include.connectors import registry
from include.ingest import history_backfill
from include.models import build
from include.sandbox.mapping import SHIPPED
from include.warehouse.engine import engine
from tests.fixtures.landing import rows, store, value
from tests.fixtures.sandbox import SandboxProcess

OLD, LATER, END = "2025-02-20T09:00:00+00:00", "2026-07-05T12:00:00+00:00", "2026-07-10T12:00:00+00:00"


@pytest.fixture
def vendors(sandbox: SandboxProcess, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config").mkdir()
    return sandbox


def mapped_by(folder: Path, mapping: str, *more: tuple[str, str]) -> None:
    (folder / "config" / "settings.yaml").write_text(
        f"sources:\n  - {{id: crm, kind: crm, mapping: {mapping}, owner: {{name: Ada, email: ada@example.com}}}}\n"
    )
    text = (SHIPPED.parent / mapping).read_text(encoding="utf-8")
    for old, new in more:
        text = text.replace(old, new, 1)
    (folder / "config" / "mappings").mkdir()
    (folder / "config" / "mappings" / mapping).write_text(text, encoding="utf-8")


def create(vendors: SandboxProcess, what: str, at: str = OLD, /, **values: Any) -> int:
    return vendors.mutate(what, op="create", at=at, set=values)[0]


def pull(vendors: SandboxProcess, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Read and merge the entities of contracts, like ingest but without the rules."""
    vendors.now(at)
    monkeypatch.setenv("PERENNIAL_NOW", at)
    source = registry.connect(connections.get("crm"))
    for entity in ("account", "opportunity", "contract_line"):
        found = [one for page in source.read(entity, position=None, until=clock.now()) for one in page.records]
        store(*found, vendor=source.vendor, entity=entity, read_until=clock.now(), until=clock.now(), full=True)


def built(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine("loader").begin() as connection:
        connection.exec_driver_sql("insert into meta.verdict (source, kind, state) values ('crm', 'crm', 'green')")
    assert isinstance(build.run("first"), build.Finished)


def line(vendors: SandboxProcess, frequency: str, amount: str, **values: int | str) -> int:
    nothing = {"term_last_day": None, "hs_recurring_billing_period": None, "list_amount": None, "deal": None,
               "subscription": None}  # fmt: skip
    given = {"product": "Core", "quantity": "1", "amount": amount, "frequency": frequency, "currency": "USD"}
    return create(vendors, "line_item", **{**nothing, **given, "term_start": "2025-03-01", **values})


def test_hubspot_subscriptions(vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = "recurs_by_term: {property: hs_recurring_billing_period, is_set: true}"
    mapped_by(tmp_path, "hubspot_subscriptions.yaml", ("is_recurring:", f"{once}\n      is_recurring:"))
    upfront = create(vendors, "company", name="Up front", domain="upfront.example")
    yearly = create(vendors, "company", name="Yearly", domain="yearly.example")
    monthly = create(vendors, "company", name="Monthly", domain="monthly.example")
    known = {"currency": "USD", "status": "active", "term_start": "2025-03-01"}
    kept = create(vendors, "subscription", name="Kept", company=yearly, frequency="annually", **known)
    lost = create(vendors, "subscription", name="Lost", company=monthly, frequency="monthly", **known)
    line(vendors, "annually", "1200", subscription=kept)
    won = create(vendors, "deal", name="Up front", company=upfront, kind="new", is_closed=True, is_won=True,
                 close_date="2025-02-20", contract_number=None, contacts=[])  # fmt: skip
    line(vendors, "", "5000", deal=won, hs_recurring_billing_period="P24M")
    line(vendors, "", "750", deal=won)
    seats = line(vendors, "monthly", "100", subscription=lost)
    # Cut by an upgrade, long before the first load.
    upgraded = create(vendors, "company", name="Upgraded", domain="upgraded.example")
    deal = {"company": upgraded, "is_closed": True, "is_won": True, "contract_number": None, "contacts": [],
            "pipeline": "default", "deal_type": None}  # fmt: skip
    small = create(vendors, "deal", name="Small", close_date="2025-02-20", **deal)
    large = create(vendors, "deal", "2025-08-25T09:00:00+00:00", name="Large", close_date="2025-08-25", **deal)
    cut = line(vendors, "monthly", "1000", deal=small, hs_recurring_billing_period="P12M")
    line(vendors, "monthly", "1500", deal=large, term_start="2025-09-01", hs_recurring_billing_period="P12M")
    vendors.mutate("line_item", cut, at="2025-08-25T09:00:00+00:00", set={"hs_recurring_billing_period": "P6M"})
    pull(vendors, monkeypatch, LATER)
    assert not history_backfill.backfill("crm").waiting
    vendors.mutate("line_item", seats, at="2026-07-06T09:00:00+00:00", set={"amount": "150"})
    vendors.mutate("subscription", lost, at="2026-07-08T09:00:00+00:00", set={"status": "canceled"})
    pull(vendors, monkeypatch, END)
    built(monkeypatch)

    keys = {f"crm:{yearly}": "yearly", f"crm:{monthly}": "monthly"}
    found = rows("select account_key, way, is_evergreen, opportunity_key from core.contract_line")
    mine = sorted((keys[one[0]], *one[1:]) for one in found if one[0] in keys)
    assert mine == [
        ("monthly", "billing", True, f"crm:subscriptions-{lost}"),
        ("monthly", "billing", True, f"crm:subscriptions-{lost}"),
        ("yearly", "billing", True, f"crm:subscriptions-{kept}"),
    ]  # fmt: skip
    steps = rows("select account_key, from_day, arr from core.arr_step where from_day < '2100-01-01' order by 2, 3, 1")
    mine = [(keys[key], day.isoformat(), float(arr)) for key, day, arr in steps if key in keys]
    assert sorted(mine, reverse=True) == [
        ("yearly", "2025-03-01", 1200.0), ("monthly", "2026-07-08", 0.0), ("monthly", "2026-07-06", 1800.0),
        ("monthly", "2025-03-01", 1200.0),
    ]  # fmt: skip
    due = rows("select account_key, due_date, outcome, target_arr from core.renewal order by due_date")
    assert [(keys[one[0]], *one[1:]) for one in due if one[0] in keys] == [
        ("yearly", date(2026, 3, 1), "auto", 1200), ("yearly", date(2027, 3, 1), "open", 1200),
    ]  # fmt: skip
    terms = rows(
        "select due_date, outcome, target_arr from core.renewal where account_key = :key", key=f"crm:{upgraded}"
    )
    assert sorted(terms) == [(date(2025, 9, 1), "restarted", 12000), (date(2026, 9, 1), "open", 18000)]
    # Billed once: for two years, and a fee.
    assert value("select sum(arr) from core.committed_line where account_key = :key", key=f"crm:{upfront}") == 2500
    # The world's deals still count.
    assert rows("select count(*) > 10 from core.contract_line where way = 'line' and is_committed") == [(True,)]


def test_salesforce_contracts(vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped_by(tmp_path, "salesforce_contract.yaml")
    monkeypatch.setenv("AIRFLOW_CONN_CRM", vendors.connections["AIRFLOW_CONN_SALESFORCE"])
    company = create(vendors, "company", name="By contract", domain="contract.example")
    deals = []
    for number, start, last, kind, amount, close in (
        ("00000101", "2025-03-01", "2026-02-28", "new", "12000", "2025-02-20"),
        ("00000102", "2026-03-01", "2027-02-28", "renewal", "13200", "2026-02-10"),
    ):
        contract = create(vendors, "contract", number=number, company=company, status="Activated", term_start=start,
                          term_last_day=last, months=12)  # fmt: skip
        won = {"is_closed": True, "is_won": True, "stage": "closedwon", "contract_number": None, "contacts": []}
        deals.append(
            create(
                vendors,
                "deal",
                name=number,
                company=company,
                kind=kind,
                amount=amount,
                close_date=close,
                contract=contract,
                currency="USD",
                **won,
            )
        )
    for deal, amount in zip(deals, ("12000", "13200"), strict=True):
        line(vendors, "", amount, deal=deal)
    pull(vendors, monkeypatch, LATER)
    built(monkeypatch)

    key = rows("select account_key from core.account where name = 'By contract'")[0][0]
    steps = rows("select from_day, arr from core.arr_step where account_key = :key order by 1", key=key)
    assert [(day.isoformat(), float(arr)) for day, arr in steps] == [
        ("2025-03-01", 12000.0), ("2026-03-01", 13200.0), ("2027-03-01", 0.0),
    ]  # fmt: skip
    due = "select due_date, outcome, target_arr, renewed_arr, method from core.renewal where account_key = :key"
    assert rows(f"{due} order by 1", key=key) == [
        (date(2026, 3, 1), "on_time", 12000, 13200, "renewal"),
        (date(2027, 3, 1), "open", 13200, None, None),
    ]


def test_salesforce_cpq_subscriptions(vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped_by(tmp_path, "salesforce_cpq.yaml")
    monkeypatch.setenv("AIRFLOW_CONN_CRM", vendors.connections["AIRFLOW_CONN_SALESFORCE"])

    def won(company: int, close: str, start: str, last: str | None, **values: Any) -> int:
        given = {"is_cpq_renewal": False, "renewed_contract": None, **values}
        deal = create(vendors, "deal", name=close, company=company, kind="new", amount="1", close_date=close,
                      contacts=[], is_closed=True, is_won=True, stage="closedwon", contract_number=None, currency="USD",
                      contract=None, **given)  # fmt: skip
        return create(vendors, "contract", number=close, company=company, status="Activated", term_start=start,
                      term_last_day=last, months=36, deal=deal)  # fmt: skip

    def sold(contract: int, start: str, last: str, quantity: int, price: str, product: str, **values: Any) -> int:
        nothing = {"segment_start": None, "segment_last_day": None, "segment_index": None, "segment_key": None,
                   "revised": None, "root": None, "subscription_type": None, "pricing_method": None}  # fmt: skip
        return create(vendors, "cpq_subscription", company=company, contract=contract, product=product,
                      quantity=str(quantity), unit_price=price, term_start=start or None, term_last_day=last or None,
                      **nothing | values)  # fmt: skip

    company = create(vendors, "company", name="By segment", domain="segment.example")
    first = won(company, "2023-03-20", "2023-04-01", "2026-03-31")
    years = [("2023-04-01", "2024-03-31"), ("2024-04-01", "2025-03-31"), ("2025-04-01", "2026-03-31")]
    # Three years of one product with ten more seats each year, and a bundle with one free part.
    segments = [
        sold(first, "2023-04-01", "2026-03-31", 10 * (n + 1), "120", "Seats", segment_start=start,
             segment_last_day=last, segment_index=n + 1, segment_key="seg-1")
        for n, (start, last) in enumerate(years)
    ]  # fmt: skip
    bundle = sold(first, "2023-04-01", "2026-03-31", 1, "3600", "Bundle")
    sold(first, "2023-04-01", "2026-03-31", 1, "0", "Part", root=str(bundle))
    # Both amendments belong to the same contract, as in CPQ, and their prices cover the rest of the term.
    sold(first, "2025-07-01", "2026-03-31", 5, "90", "Seats", segment_start="2025-07-01", segment_last_day="2026-03-31",
         segment_index=3, segment_key="seg-1", revised=segments[2])  # fmt: skip
    sold(first, "2025-10-01", "2026-03-31", -10, "60", "Seats", revised=segments[2])
    # The renewal's subscriptions have the dates of their contract. What is not renewable is not ARR.
    renewed = won(company, "2026-03-10", "2026-04-01", "2027-03-31", is_cpq_renewal=True, renewed_contract=first)
    sold(renewed, "", "", 25, "120", "Seats", subscription_type="Renewable")
    sold(renewed, "", "", 1, "1200", "Bundle")
    sold(renewed, "", "", 1, "900", "Onboarding", subscription_type="One-time")
    # An evergreen price is a month's.
    company = create(vendors, "company", name="Evergreen", domain="evergreen.example")
    evergreen = won(company, "2025-04-20", "2025-05-01", None)
    sold(evergreen, "2025-05-01", "", 4, "50", "Seats", subscription_type="Evergreen")
    # Loaded from an older system: no deal. The price of a block is that of the line.
    company = create(vendors, "company", name="Migrated", domain="migrated.example")
    migrated = create(vendors, "contract", number="1", company=company, status="Activated", term_start="2025-09-01",
                      term_last_day="2026-08-31", months=12, deal=None)  # fmt: skip
    sold(migrated, "", "", 10, "1200", "Seats")
    sold(migrated, "", "", 50, "10000", "Storage", pricing_method="Block")
    sold(migrated, "2026-03-01", "", -50, "5000", "Storage", pricing_method="Block")
    pull(vendors, monkeypatch, LATER)
    built(monkeypatch)

    def steps(name: str) -> list[tuple[str, float]]:
        found = rows(
            "select from_day, arr from core.arr_step join core.account using (account_key) where name = :name"
            " and from_day < '2100-01-01' order by 1", name=name,
        )  # fmt: skip
        return [(day.isoformat(), float(arr)) for day, arr in found]

    assert steps("By segment") == [
        ("2023-04-01", 2400.0), ("2024-04-01", 3600.0), ("2025-04-01", 4800.0), ("2025-07-01", 5400.0),
        ("2025-10-01", 4200.0), ("2027-04-01", 0.0),
    ]  # fmt: skip
    assert steps("Evergreen") == [("2025-05-01", 2400.0)]
    assert steps("Migrated") == [("2025-09-01", 22000.0), ("2026-03-01", 12000.0), ("2026-09-01", 0.0)]
    due = "select due_date, outcome, target_arr, renewed_arr from core.renewal join core.account using (account_key)"
    assert rows(f"{due} where name = 'By segment' order by 1") == [
        (date(2026, 4, 1), "on_time", 4200, 4200),
        (date(2027, 4, 1), "open", 4200, None),
    ]
    assert rows(f"{due} where name = 'Migrated'") == [(date(2026, 9, 1), "open", 12000, None)]
