"""Rules on amounts, across records and settings."""

from __future__ import annotations

from include.contracts.rule import BATCH, BatchFacts, Expect, Factory, literal, matches, none

# Rounding differences of lines stay within this share of the deal.
AMOUNT_SLACK = 0.01


def amount_agrees_with_lines(facts: BatchFacts) -> Expect | None:
    """Expect the amount of a won opportunity to equal the sum of its lines, landed or stored, without overage.

    Deals with a line whose amount does not cover the whole term are skipped.
    """
    tables = facts.tables.get("contract_line")
    if not tables:
        return None
    # A landed line that is not yet merged replaces the stored one.
    every = " union all ".join(
        f"select id, opportunity_id, amount, amount_per, is_overage, _is_deleted, {place} as place from {table}"  # noqa: S608
        + ("" if table.startswith("raw.batch_") else f" where source = {literal(facts.source)}")
        for place, table in enumerate(tables)
    )
    lines = f"select distinct on (id) * from ({every}) as every order by id, place desc"  # noqa: S608
    total = (
        f"select opportunity_id, sum(amount) as amount from ({lines}) as line"  # noqa: S608
        " where not _is_deleted and amount is not null and not coalesce(is_overage, false) group by opportunity_id"
        " having bool_and(coalesce(amount_per, 'term') = 'term')"
    )
    return none(
        f"select batch._row from {BATCH}, ({total}) as total"  # noqa: S608
        " where not batch._is_deleted and batch.is_won and total.opportunity_id = batch.id"
        f" and abs(batch.amount - total.amount) > greatest(1, {AMOUNT_SLACK} * abs(batch.amount))",
        "amount",
    )


def in_reporting_currency(facts: BatchFacts) -> Expect | None:
    """Expect amounts in the reporting currency."""
    factory: Factory = matches("currency", f"(?i)^{facts.currency}$")
    return factory(facts)
