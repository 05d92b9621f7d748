"""Amounts and terms as HubSpot stores them: per billing period, with an exclusive end and a length.

The world stores a line's amount for the whole term, and its last day, as other vendors show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from include.sandbox.world.dates import whole_months, years_between

CENT = Decimal("0.01")
MONTHS = {"monthly": 1, "quarterly": 3, "per_six_months": 6, "annually": 12, "per_two_years": 24, "per_three_years": 36,
          "per_four_years": 48, "per_five_years": 60}  # fmt: skip


def shown(values: Mapping[str, Any], name: str) -> Any:
    """Return a line item's property as HubSpot shows it. Text that somebody typed is unchanged.

    Args:
        values: The line's fields in the world's words.
        name: The property.
    """
    if name in ("amount", "hs_pre_discount_amount"):
        return _of_period(values, values.get("amount" if name == "amount" else "list_amount"))
    if name == "hs_recurring_billing_end_date":
        last = values.get("term_last_day")
        return last + timedelta(days=1) if isinstance(last, date) else last
    if name == "hs_recurring_billing_period":
        months = _months(values)
        return f"P{months}M" if months else values.get(name)
    if name == "hs_term_in_months":
        return _months(values)
    if name == "hs_recurring_billing_number_of_payments":
        months, period = _months(values), MONTHS.get(values.get("frequency") or "")
        return months // period if months and period and months % period == 0 else None
    return totals(values).get(name)


def totals(values: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return a line's ``hs_tcv``, ``hs_acv``, ``hs_arr`` and ``hs_mrr``, where they can be calculated."""
    amount = values.get("amount")
    if not isinstance(amount, Decimal):
        return {}
    if not values.get("frequency"):
        return {"hs_tcv": amount, "hs_acv": amount, "hs_arr": Decimal(0), "hs_mrr": Decimal(0)}
    years = _years(values)
    if years is None:
        return {}
    yearly = (amount / years).quantize(CENT)
    first = amount if years < 1 else yearly  # of one year at most
    return {
        "hs_tcv": amount.quantize(CENT),
        "hs_acv": first.quantize(CENT),
        "hs_arr": yearly,
        "hs_mrr": (yearly / 12).quantize(CENT),
    }


def _of_period(values: Mapping[str, Any], amount: Any) -> Any:
    period, years = MONTHS.get(values.get("frequency") or ""), _years(values)
    if not isinstance(amount, Decimal) or period is None or years is None:
        return amount
    return (amount / years * period / 12).quantize(CENT)


def _years(values: Mapping[str, Any]) -> Decimal | None:
    """Return the length of a line's term; None if its dates are missing or invalid."""
    start, last = values.get("term_start"), values.get("term_last_day")
    if not isinstance(start, date) or not isinstance(last, date) or last < start:
        return None
    return years_between(start, last + timedelta(days=1))


def _months(values: Mapping[str, Any]) -> int | None:
    start, last = values.get("term_start"), values.get("term_last_day")
    if not isinstance(start, date) or not isinstance(last, date):
        return None
    return whole_months(start, last + timedelta(days=1))
