"""Line items as in a portal: amount per billing period, exclusive end, duration."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import requests

from include.sandbox.hubspot import billing
from tests.fixtures.sandbox import SandboxProcess


def line(start: str, last: str, amount: str, frequency: str = "annually") -> dict[str, Any]:
    return {"term_start": date.fromisoformat(start), "term_last_day": date.fromisoformat(last),
            "amount": Decimal(amount), "list_amount": Decimal(amount) * 2, "frequency": frequency}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "amount", "period", "end", "arr"),
    [
        (line("2025-01-01", "2027-12-31", "36000"), "12000", "P36M", "2028-01-01", "12000"),
        (line("2025-01-31", "2025-02-27", "1000", "monthly"), "1000", "P1M", "2025-02-28", "12000"),
        (line("2025-01-01", "2025-06-30", "6000"), "12000", "P6M", "2025-07-01", "12000"),
        (line("2025-03-01", "2025-03-10", "100"), "3650", None, "2025-03-11", "3650"),
    ],
)
def test_amount_is_for_one_billing_period(
    values: dict[str, Any], amount: str, period: str | None, end: str, arr: str
) -> None:
    assert billing.shown(values, "amount") == Decimal(amount)
    assert billing.shown(values, "hs_pre_discount_amount") == 2 * Decimal(amount)
    assert billing.shown(values, "hs_recurring_billing_period") == period
    assert billing.shown(values, "hs_recurring_billing_end_date") == date.fromisoformat(end)
    assert billing.totals(values)["hs_arr"] == Decimal(arr)
    assert billing.totals(values)["hs_tcv"] == values["amount"]


def test_one_time_line_never_recurs() -> None:
    assert billing.totals(line("2025-01-01", "2025-12-31", "750", "")) == {
        "hs_tcv": 750, "hs_acv": 750, "hs_arr": 0, "hs_mrr": 0,
    }  # fmt: skip
    assert billing.shown({"amount": "1,000", "frequency": "annually"}, "amount") == "1,000"


def test_deal_amount_is_the_sum_of_its_lines(sandbox: SandboxProcess) -> None:
    portal = sandbox.connection("crm")
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {portal['password']}"

    def read(kind: str, names: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        after = "0"
        while after:
            url = f"{portal['host']}/crm/v3/objects/{kind}?limit=100&after={after}&properties={names}"
            answer = session.get(url, timeout=600).json()
            rows += answer["results"]
            after = answer.get("paging", {}).get("next", {}).get("after", "")
        return [row["properties"] for row in rows]

    lines = read("line_items", "hs_tcv,amount,recurringbillingfrequency,hs_recurring_billing_period")
    deals = read("deals", "hs_tcv,dealtype,deal_kind")
    assert sum(Decimal(row["hs_tcv"] or 0) for row in deals) == sum(Decimal(row["hs_tcv"] or 0) for row in lines) > 0
    longer = [row for row in lines if row["hs_recurring_billing_period"] == "P36M"]
    assert longer and all(3 * Decimal(row["amount"]) == Decimal(row["hs_tcv"]) for row in longer)
    assert {(row["deal_kind"] == "new", row["dealtype"]) for row in deals} == {
        (True, "newbusiness"), (False, "existingbusiness"),
    }  # fmt: skip
