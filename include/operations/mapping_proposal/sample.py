"""Turn the sample into terms by a mapping, proposed or in force, with the casts that ingest uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from include.connectors.mapping import ColumnRule, Mapper
from include.entities.catalog import ENTITIES
from include.operations.mapping_proposal.portal import Portal, Row
from include.operations.mapping_proposal.terms import Per, Term
from include.operations.mapping_proposal.values import number, value_of

# Months of one billing period; core.contract_line_history has the same words.
PERIODS = {
    "weekly": 12 / 52, "biweekly": 24 / 52, "monthly": 1, "month": 1, "quarterly": 3, "quarter": 3, "per_six_months": 6,
    "semiannually": 6, "semi-annual": 6, "annually": 12, "annual": 12, "yearly": 12, "year": 12, "per_two_years": 24,
    "per_three_years": 36, "per_four_years": 48, "per_five_years": 60,
}  # fmt: skip
Rules = Mapping[str, ColumnRule]
Values = dict[str, dict[str, Any]]


def read(entity: str, rows: Iterable[Row], rules: Rules) -> Values:
    """Return record -> the values of its columns; an invalid value is None."""
    known = ENTITIES[entity].column_names
    mapper = Mapper(ENTITIES[entity], {column: rule for column, rule in rules.items() if column in known})
    return {row.id: mapper.record(row.id, row.values, None).values for row in rows}


def line_terms(portal: Portal, values: Values, deals: Values) -> list[Term]:
    """Return the recurring lines of won deals. A line without dates inherits its deal's."""
    companies = {deal.id: deal.parent for deal in portal.won_deals()}
    found = []
    for line in portal.relevant("contract_line"):
        mine, its_deal = values[line.id], deals.get(line.parent, {})
        if not mine.get("is_recurring", True):
            continue
        dates = mine if mine.get("term_start") or mine.get("term_end") or mine.get("term_months") else its_deal
        found.append(
            Term(
                id=line.id,
                owner=f"{companies.get(line.parent, '')}|{mine.get('product') or ''}",
                start=mine.get("term_start") or its_deal.get("term_start"),
                end=dates.get("term_end"),
                months=dates.get("term_months"),
                amount=_amount(mine),
                period=PERIODS.get(str(mine.get("billing_frequency") or "").lower()),
                deal=line.parent,
                quantity=_float(mine.get("quantity")) or 1.0,
                per=_per(mine),
            )
        )
    return found


def deal_terms(portal: Portal, values: Values) -> list[Term]:
    """Return won deals without lines that have an end."""
    with_lines = portal.lines_of()
    return [
        Term(
            id=deal.id,
            owner=deal.parent,
            start=mine.get("term_start") or mine.get("close_date"),
            end=mine.get("term_end"),
            months=mine.get("term_months"),
            amount=_float(mine.get("amount")),
            per=_per(mine),
        )
        for deal in portal.won_deals()
        if deal.id not in with_lines and ((mine := values[deal.id]).get("term_end") or mine.get("term_months"))
    ]


def company_terms(portal: Portal, values: Values) -> list[Term]:
    """Return the contract terms in customers' own fields; the amount is their ARR."""
    found = []
    for company in portal.customers():
        mine = values[company.id]
        arr, mrr = _float(mine.get("contract_arr")), _float(mine.get("contract_mrr"))
        amount = arr if arr is not None else mrr * 12 if mrr is not None else None
        if mine.get("renewal_date"):
            found.append(
                Term(
                    company.id,
                    company.id,
                    mine.get("contract_start"),
                    mine.get("renewal_date"),
                    None,
                    amount,
                    per="year",
                )
            )
    return found


def crm_yearly(rows: Iterable[Row], terms: Iterable[Term], names: Mapping[str, str]) -> dict[str, float]:
    """Return record -> yearly amount by the CRM's own figures.

    Args:
        terms: The records' terms, for the length that a total covers.
        names: ``arr``, ``mrr``, ``tcv`` -> the property.
    """
    lengths = {term.id: term.length() for term in terms}
    found: dict[str, float] = {}
    for row in rows:
        arr, mrr, tcv = (number(value_of(row, names[one])) if one in names else None for one in ("arr", "mrr", "tcv"))
        months = lengths.get(row.id)
        if arr:
            found[row.id] = arr
        elif mrr:
            found[row.id] = mrr * 12
        elif tcv and months:
            found[row.id] = tcv * 12 / months
    return found


def deal_amounts(portal: Portal, deals: Values) -> dict[str, float]:
    found = {deal.id: _float(deals[deal.id].get("amount")) for deal in portal.won_deals() if deal.id in deals}
    return {one: amount for one, amount in found.items() if amount}


def _amount(values: Mapping[str, Any]) -> float | None:
    """Return a line's amount, or unit price times quantity."""
    if values.get("amount") is not None or values.get("unit_price") is None:
        return _float(values.get("amount"))
    return float(values["unit_price"]) * (_float(values.get("quantity")) or 0.0)


def _per(values: Mapping[str, Any]) -> Per:
    per = str(values.get("amount_per") or "term").lower()
    return per if per in get_args(Per) else "term"  # type: ignore[return-value]


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
