"""Contracts of the entities from the product's database."""

from __future__ import annotations

from include.contracts import common, tracking_plan
from include.contracts.common import has_crm_id, not_in_future, references
from include.contracts.rule import EMAIL, FIRST_DATE, Rule, between, in_order, matches, not_null, rule, warn
from include.entities.catalog import ENTITIES

MINUTES_PER_DAY = 1440


def rules() -> tuple[Rule, ...]:
    """Return all rules on product entities."""
    own = (*_product_account(), *_product_user(), *_usage_day(), *tracking_plan.rules(), *_seat_day())
    shared = (each for name in ENTITIES if ENTITIES[name].kind == "product" for each in common.rules(ENTITIES[name]))
    return (*shared, *own)


def _product_account() -> list[Rule]:
    return [
        warn(
            "product_account",
            "name_present",
            not_null("name"),
            "the account has no name",
            why="the customer cannot be identified",
            cure="select the workspace's or tenant's name as name",
        ),
        warn(
            "product_account",
            "crm_account_present",
            not_null("crm_account_id"),
            "the account has no CRM account id",
            why="its usage does not count for any customer",
            cure="store the CRM's company id with the tenant and select it as crm_account_id",
        ),
        has_crm_id(
            "product_account",
            "crm_account_id",
            "crm_account_exists",
            why="its usage does not count for any customer",
            cure="correct the CRM's company id of the tenant; check whether the company was deleted in the CRM",
        ),
    ]


def _product_user() -> list[Rule]:
    return [
        _account_present("product_user", "the person's usage does not count for any account"),
        _account_exists("product_user", "the person's usage does not count for any account"),
        warn(
            "product_user",
            "email_plausible",
            matches("email", EMAIL),
            "the e-mail address is not valid",
            why="the person cannot be matched in CRM and desk",
            cure="select the address, not the login, as email",
        ),
        warn(
            "product_user",
            "deactivated_after_activated",
            in_order("activated_at", "deactivated_at"),
            "the user was deactivated before being activated",
            why="activated seats would be counted wrongly",
            cure="a user who came back has no deactivated_at: select it as null",
        ),
    ]


def _usage_day() -> list[Rule]:
    return [
        _account_present("usage_day", "the usage does not count for any account"),
        _account_exists("usage_day", "the usage does not count for any account"),
        warn(
            "usage_day",
            "user_present",
            not_null("user_id"),
            "the usage has no user",
            why="the number of active users would be too low",
            cure="select the acting user's id as user_id; leave out machine users",
        ),
        rule(
            "usage_day",
            "feature_present",
            not_null("feature"),
            "the usage has no feature",
            why="it is unknown whether it is a value event",
            cure="select the name of the feature or event as feature",
        ),
        *_day("usage_day"),
        rule(
            "usage_day",
            "n_events_present",
            not_null("n_events"),
            "the number of events is missing",
            why="an unknown number would count as 0",
            cure="select count(*) of the day's events as n_events",
        ),
        rule(
            "usage_day",
            "n_events_non_negative",
            between("n_events", 0),
            "the number of events is negative",
            why="it would subtract usage that took place",
            cure="correct the query, or the job that fills the table behind it",
        ),
        rule(
            "usage_day",
            "minutes_non_negative",
            between("minutes", 0),
            "the minutes are negative",
            why="it would subtract usage that took place",
            cure="correct how the query computes the length of a session",
        ),
        warn(
            "usage_day",
            "minutes_within_day",
            between("minutes", None, MINUTES_PER_DAY),
            "the minutes exceed the length of a day",
            why="sessions that were never closed make the time online meaningless",
            cure="close sessions after 30 idle minutes in the query",
        ),
    ]


def _seat_day() -> list[Rule]:
    return [
        _account_present("seat_day", "the seats do not count for any account"),
        _account_exists("seat_day", "the seats do not count for any account"),
        *_day("seat_day"),
        rule(
            "seat_day",
            "n_paid_seats_non_negative",
            between("n_paid_seats", 0),
            "the number of paid seats is negative",
            why="utilisation would be negative",
            cure="correct the query, or the job that fills the table behind it",
        ),
        rule(
            "seat_day",
            "n_activated_seats_non_negative",
            between("n_activated_seats", 0),
            "the number of activated seats is negative",
            why="utilisation would be negative",
            cure="correct the query, or the job that fills the table behind it",
        ),
        warn(
            "seat_day",
            "activated_within_paid",
            in_order("n_activated_seats", "n_paid_seats"),
            "more seats are activated than paid for",
            why="either the contract or the count is wrong; it may also be an expansion opportunity",
            cure="compare the contract with the product's list of seats",
        ),
    ]


def _account_present(entity: str, why: str) -> Rule:
    return rule(
        entity,
        "account_present",
        not_null("account_id"),
        "the row has no account",
        why=why,
        cure="select the tenant's id as account_id",
    )


def _account_exists(entity: str, why: str) -> Rule:
    return references(
        entity,
        "account_id",
        "product_account",
        why=why,
        cure="check whether the query for accounts omits some that the query for this entity returns",
    )


def _day(entity: str) -> list[Rule]:
    return [
        rule(
            entity,
            "day_present",
            not_null("day"),
            "the row has no day",
            why="it would be stored but never counted",
            cure="select the day in the reporting zone as day",
        ),
        rule(
            entity,
            "day_not_in_future",
            not_in_future("day"),
            "the day is in the future",
            why="a clock or time zone error moves usage to a day on which it did not happen",
            cure="correct the time zone in the query, or the clock of the machine that wrote it",
        ),
        rule(
            entity,
            "day_plausible",
            between("day", FIRST_DATE),
            f"the day is before {FIRST_DATE.year}",
            why="an empty time that became 1970 moves usage to a day that no figure covers",
            cure="correct how the query derives the day",
        ),
    ]
