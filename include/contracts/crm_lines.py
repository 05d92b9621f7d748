"""Contracts of line items: products, amounts and terms."""

from __future__ import annotations

from include.contracts import exempt, money
from include.contracts.common import references
from include.contracts.rule import (
    BATCH,
    FIRST_DATE,
    LAST_DATE,
    BatchFacts,
    Condition,
    Expect,
    Factory,
    Rule,
    between,
    in_order,
    literal,
    matches,
    none,
    not_null,
    rule,
    warn,
)

RECURRING: Condition = ("is_recurring", "==", True)
CURRENCY = r"^[A-Za-z]{3}$"


def rules() -> list[Rule]:
    """Return the rules specific to line items."""
    date_why = "a mistyped year removes ARR and the renewal from every list"
    date_says = f"is outside {FIRST_DATE.year} to {LAST_DATE.year}"
    return [
        rule(
            "contract_line",
            "opportunity_present",
            _named,
            "the line is no longer associated with its opportunity",
            why="whether it is still sold is unknown; its last good version stays. Lines that never had an"
            " opportunity, such as the copies of quotes and invoices, break no rule",
            cure="check whether this login may still read the associations of lines with deals; associate the line with"
            " its deal again if it was removed by mistake",
        ),
        rule(
            "contract_line",
            "opportunities_named",
            exempt.any_has_owner,
            "no line belongs to an opportunity",
            why="the deals of the lines cannot be read: there would be no ARR at all",
            cure="let the login read the associations of lines with deals, or map opportunity_id; then"
            " `batch drop ID --reason ...` and read again; `batch accept ID --reason ...` if all are of quotes",
            scope="batch",
        ),
        references(
            "contract_line",
            "opportunity_id",
            "opportunity",
            why="whether it was sold is unknown, so its amount is neither ARR nor pipeline",
            cure="check whether the deal was deleted or this login may not read it",
        ),
        warn(
            "contract_line",
            "account_present",
            not_null("account_id"),
            "the line has no account",
            why="its ARR does not count for any account",
            cure="associate the line's deal with its company in the CRM",
        ),
        references(
            "contract_line",
            "account_id",
            "account",
            why="its ARR does not count for any account",
            cure="check whether the company was deleted or this login may not read it",
        ),
        rule(
            "contract_line",
            "amount_present",
            _has_amount,
            "a recurring line has no amount",
            why="the account's ARR would drop although nothing was lost",
            cure="enter the line's amount in the CRM",
        ),
        warn(
            "contract_line",
            "list_amount_non_negative",
            between("list_amount", 0),
            "the list amount is negative",
            why="the discount cannot be computed",
            cure="correct the line's price in the CRM",
        ),
        warn(
            "contract_line",
            "amount_within_list",
            in_order("amount", "list_amount"),
            "the amount is above the list amount",
            why="the discount would be negative",
            cure="correct the price or discount of the line in the CRM",
        ),
        rule(
            "contract_line",
            "currency_code",
            matches("currency", CURRENCY),
            "the currency is not a three-letter code",
            why="its amount cannot be added to other amounts",
            cure="correct the currency in the CRM, or translate it in the mapping",
        ),
        warn(
            "contract_line",
            "currency_is_reporting",
            money.in_reporting_currency,
            "the currency is not the reporting currency",
            why="there is no exchange rate: the line is listed as an error and left out of ARR",
            cure="enter the amount in the reporting currency, or correct `currency` in settings.yaml",
        ),
        rule(
            "contract_line",
            "term_start_present",
            _committed_has("term_start", of_deal="term_start"),
            "a recurring line has no start",
            why="it is unknown from when it counts as ARR",
            cure="enter the line's billing start in the CRM",
        ),
        rule(
            "contract_line",
            "term_end_present",
            _committed_has("term_end", "term_months", but="is_evergreen", of_deal="term_end, term_months"),
            "a recurring line has no term end",
            why="its renewal would never be due; the last good version stays until then",
            cure="enter the line's billing end in the CRM; map term_months or the deal's term_end if known,"
            " or is_evergreen for lines that run until cancelled",
        ),
        rule(
            "contract_line",
            "term_end_after_start",
            in_order("term_start", "term_end", or_equal=False),
            "the term ends before it starts",
            why="its annual amount would be negative or infinite",
            cure="correct the billing start or end in the CRM",
        ),
        rule(
            "contract_line",
            "term_start_plausible",
            between("term_start", FIRST_DATE, LAST_DATE),
            f"the term's start {date_says}",
            why=date_why,
            cure="correct the date in the CRM",
        ),
        rule(
            "contract_line",
            "term_end_plausible",
            between("term_end", FIRST_DATE, LAST_DATE),
            f"the term's end {date_says}",
            why=date_why,
            cure="correct the date in the CRM",
        ),
    ]


def _committed_has(column: str, *others: str, of_deal: str, but: str = "") -> Factory:
    """Expect each recurring line, or its deal, to have one of several values.

    Overage lines are exempt: they commit to no term, whatever the CRM marks as recurring.
    """
    exempt = ("is_overage", but) if but else ("is_overage",)
    unless = "".join(f" and not coalesce({name}, false)" for name in exempt)
    query = (
        f"select batch._row from {BATCH} where not _is_deleted and is_recurring"  # noqa: S608
        f" and coalesce({', '.join(f'cast({name} as text)' for name in (column, *others))}) is null{unless}"
    )

    def expect(facts: BatchFacts) -> Expect | None:
        deals = " union all ".join(
            f"select id, {of_deal} from {table}"  # noqa: S608
            + ("" if table.startswith("raw.batch_") else f" where source = {literal(facts.source)}")
            for table in facts.tables.get("opportunity", ())
        )
        told = " or ".join(f"deal.{name} is not null" for name in of_deal.split(", "))
        found = f" and not exists (select from ({deals}) as deal where deal.id = batch.opportunity_id and ({told}))"
        return none(query + found if deals else query, *exempt, column)

    return expect


def _named(facts: BatchFacts) -> Expect:
    """Expect each line to name a deal, or a contract that has none."""
    query = f"select batch._row from {BATCH} where not _is_deleted and opportunity_id is null and contract_id is null"  # noqa: S608
    return none(query, "opportunity_id")


def _has_amount(facts: BatchFacts) -> Expect:
    """Expect each recurring line to have an amount, or a unit price and a quantity."""
    query = (
        f"select batch._row from {BATCH} where not _is_deleted and is_recurring"  # noqa: S608
        " and amount is null and unit_price * case when is_flat_price then 1 else quantity end is null"
    )
    return none(query, "amount", "is_recurring")
