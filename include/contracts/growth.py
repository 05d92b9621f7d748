"""Contracts of leads and of what is spent on channels."""

from __future__ import annotations

from include.contracts.common import not_in_future, references
from include.contracts.crm_optional import CURRENCY, by_now
from include.contracts.rule import FIRST_DATE, LAST_DATE, Rule, between, in_order, matches, not_null, one_of, rule, warn

COST_KINDS = ("media", "event", "salaries")
_REACHED = ("lead_at", "qualified_at", "sales_qualified_at", "converted_at")


def rules() -> tuple[Rule, ...]:
    """Return the rules specific to leads and channel costs."""
    return (*_lead(), *_channel_cost())


def _lead() -> list[Rule]:
    return [
        references(
            "lead",
            "account_id",
            "account",
            why="the lead does not count for any account",
            cure="check whether the company was deleted or this login may not read it",
        ),
        *(
            rule(
                "lead",
                f"{column}_not_in_future",
                by_now(column),
                "a stage was reached in the future",
                why="a cohort would count a stage that nobody has reached",
                cure="map the date on which the stage was reached, not a planned one",
            )
            for column in _REACHED
        ),
        warn(
            "lead",
            "stages_in_order",
            in_order("lead_at", "qualified_at"),
            "the lead was qualified before it became a lead",
            why="the earlier date counts for both",
            cure="correct the dates in the CRM, or check which properties the mapping names",
        ),
        warn(
            "lead",
            "channel_present",
            not_null("channel", ("lead_at", "is not null", None)),
            "the lead has no channel",
            why="it counts for the channel unknown",
            cure="require the source when a lead is entered by hand or imported",
        ),
    ]


def _channel_cost() -> list[Rule]:
    why = "the channel would look cheaper than it is"
    return [
        rule(
            "channel_cost",
            "channel_present",
            not_null("channel"),
            "the amount has no channel",
            why=why,
            cure="return the channel of each amount, named as the leads name it",
        ),
        rule(
            "channel_cost",
            "amount_present",
            not_null("amount"),
            "the amount is missing",
            why=why,
            cure="leave out rows without an amount, or correct the query",
        ),
        rule(
            "channel_cost",
            "spent_on_present",
            not_null("spent_on"),
            "the amount has no day",
            why=why,
            cure="return the day, or the first day of the month, as spent_on",
        ),
        rule(
            "channel_cost",
            "spent_on_plausible",
            between("spent_on", FIRST_DATE, LAST_DATE),
            f"the day is outside {FIRST_DATE.year} to {LAST_DATE.year}",
            why=why,
            cure="correct how the query derives the day",
        ),
        warn(
            "channel_cost",
            "spent_on_not_in_future",
            not_in_future("spent_on", days=31),
            "the day is more than a month ahead",
            why="a budget is not spend",
            cure="return amounts that were spent",
        ),
        rule(
            "channel_cost",
            "currency_code",
            matches("currency", CURRENCY),
            "the currency is not a three-letter code",
            why="its amount cannot be added to other amounts",
            cure="return the code, or nothing for the reporting currency",
        ),
        warn(
            "channel_cost",
            "kind_known",
            one_of("kind", COST_KINDS),
            f"the kind is not one of {', '.join(COST_KINDS)}",
            why="people who compare kinds of cost would miss it",
            cure="translate your kinds in the query",
        ),
    ]
