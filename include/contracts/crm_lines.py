"""Contracts of line items: products, amounts and terms."""

from __future__ import annotations

from include.contracts import aside, money
from include.contracts.common import references
from include.contracts.rule import (
    BATCH,
    FIRST_DATE,
    LAST_DATE,
    Condition,
    Expect,
    Factory,
    Known,
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
    date_why = "a mistyped year moves ARR and a renewal out of every list"
    date_says = f"is outside {FIRST_DATE.year} to {LAST_DATE.year}"
    return [
        rule(
            "contract_line",
            "opportunity_present",
            not_null("opportunity_id"),
            "the line has lost its opportunity",
            why="whether it is still sold cannot be said; its last good version stays. Lines that never had"
            " one, such as those that quotes and invoices clone, are nobody's and break no rule",
            cure="see whether this login may still read which deal a line belongs to; associate the line with its deal"
            " again if it was taken out of it by mistake",
        ),
        rule(
            "contract_line",
            "opportunities_named",
            aside.any_owned,
            "no line belongs to an opportunity",
            why="which deal a line belongs to cannot be read: there would be no ARR at all",
            cure="let the login read the association of lines with deals, or map opportunity_id, then"
            " `batch drop ID --reason ...` and read again; `batch accept ID --reason ...` if all of them are of quotes",
            scope="batch",
        ),
        references(
            "contract_line",
            "opportunity_id",
            "opportunity",
            why="nobody can say whether it was sold, so its amount is neither ARR nor pipeline",
            cure="see whether the deal was deleted or is outside what this login may read",
        ),
        warn(
            "contract_line",
            "account_present",
            not_null("account_id"),
            "the line belongs to no account",
            why="its ARR counts for nobody",
            cure="associate the line's deal with its company in the CRM",
        ),
        references(
            "contract_line",
            "account_id",
            "account",
            why="its ARR counts for nobody",
            cure="see whether the company was deleted or is outside what this login may read",
        ),
        rule(
            "contract_line",
            "amount_present",
            _has_amount,
            "a recurring line has no amount",
            why="the account's ARR would fall without anything having been lost",
            cure="enter the line's amount in the CRM",
        ),
        warn(
            "contract_line",
            "list_amount_non_negative",
            between("list_amount", 0),
            "the list amount is negative",
            why="the discount cannot be said",
            cure="correct the line's price in the CRM",
        ),
        warn(
            "contract_line",
            "amount_within_list",
            in_order("amount", "list_amount"),
            "the amount is above the list amount",
            why="the discount would be negative",
            cure="correct price or discount of the line in the CRM",
        ),
        rule(
            "contract_line",
            "currency_code",
            matches("currency", CURRENCY),
            "the currency is not a code of three letters",
            why="its amount cannot be added to others",
            cure="correct the currency in the CRM, or translate it in the mapping",
        ),
        warn(
            "contract_line",
            "currency_is_reporting",
            money.in_reporting_currency,
            "the currency is not the reporting currency",
            why="no rates are kept: the line is listed as an error and left out of ARR",
            cure="enter the amount in the reporting currency, or correct `currency` in settings.yaml",
        ),
        rule(
            "contract_line",
            "term_start_present",
            _committed_has("term_start", of_deal="term_start"),
            "a recurring line has no start",
            why="from when on it counts as ARR cannot be said",
            cure="enter the line's start of billing in the CRM",
        ),
        rule(
            "contract_line",
            "term_end_present",
            _committed_has("term_end", "term_months", but="is_evergreen", of_deal="term_end, term_months"),
            "a recurring line has no end of its term",
            why="its renewal would never be due; the last good version stays until then",
            cure="enter the line's end of billing in the CRM; map term_months or its deal's term_end if that tells it,"
            " or is_evergreen for what runs until it is cancelled",
        ),
        rule(
            "contract_line",
            "term_end_after_start",
            in_order("term_start", "term_end", or_equal=False),
            "the term ends before it starts",
            why="its annual amount would be negative or infinite",
            cure="correct start or end of billing in the CRM",
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

    def expect(known: Known) -> Expect | None:
        deals = " union all ".join(
            f"select id, {of_deal} from {table}"  # noqa: S608
            + ("" if table.startswith("raw.batch_") else f" where source = {literal(known.source)}")
            for table in known.tables.get("opportunity", ())
        )
        told = " or ".join(f"deal.{name} is not null" for name in of_deal.split(", "))
        found = f" and not exists (select from ({deals}) as deal where deal.id = batch.opportunity_id and ({told}))"
        return none(query + found if deals else query, *exempt, column)

    return expect


def _has_amount(known: Known) -> Expect:
    """Expect each recurring line to have an amount, or a unit price and a quantity."""
    query = (
        f"select batch._row from {BATCH} where not _is_deleted and is_recurring"  # noqa: S608
        " and amount is null and unit_price * quantity is null"
    )
    return none(query, "amount", "is_recurring")
