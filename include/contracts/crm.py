"""Contracts of CRM entities."""

from __future__ import annotations

from include.contracts import common, crm_lines, crm_optional, money
from include.contracts.common import not_in_future, references
from include.contracts.crm_lines import CURRENCY
from include.contracts.rule import (
    EMAIL,
    FIRST_DATE,
    LAST_DATE,
    Condition,
    Rule,
    between,
    matches,
    none,
    not_null,
    one_of,
    rule,
    warn,
)
from include.entities.catalog import ENTITIES

WON: Condition = ("is_won", "==", True)
ROLES = ("user", "champion", "decision_maker", "executive_sponsor", "influencer", "legal", "veto", "other")
# "existing": to an existing customer, HubSpot's own value. Later steps find out whether it is a renewal or an
# expansion.
OPPORTUNITY_TYPES = ("new", "renewal", "expansion", "existing")
LONGEST_NOTICE_MONTHS = 36


def rules() -> tuple[Rule, ...]:
    """Return all rules on CRM entities."""
    own = (*_account(), *_contact(), *_owner(), *_opportunity(), *crm_lines.rules(), *crm_optional.rules())
    shared = (each for name in ENTITIES if ENTITIES[name].kind == "crm" for each in common.rules(ENTITIES[name]))
    return (*shared, *own)


def _account() -> list[Rule]:
    return [
        warn(
            "account",
            "name_present",
            not_null("name"),
            "the account has no name",
            why="the recipient of an alert would not know which account it is about",
            cure="enter the company's name in the CRM",
        ),
        warn(
            "account",
            "domain_plausible",
            matches("domain", r"^[^\s@/:]+\.[^\s@/:]+$"),
            "the domain is not a valid internet domain",
            why="desk and product accounts cannot be matched by it",
            cure="enter the bare domain, such as example.com, in the CRM",
        ),
        warn(
            "account",
            "owner_present",
            not_null("owner_id", ("tier", "is not null", None)),
            "a customer with a tier has no owner",
            why="its alerts go to the queue instead of one person",
            cure="assign an owner to the company in the CRM",
        ),
        warn(
            "account",
            "parent_is_another",
            lambda facts: none("select _row from {batch} where not _is_deleted and parent_id = id"),
            "the account is its own parent",
            why="sums over its group of companies would never end",
            cure="correct the parent company in the CRM",
        ),
        references(
            "account",
            "owner_id",
            "owner",
            why="its alerts have no recipient",
            cure="assign an existing owner to the company, or allow the login to read deactivated owners",
        ),
    ]


def _contact() -> list[Rule]:
    return [
        warn(
            "contact",
            "account_present",
            not_null("account_id"),
            "the contact has no account",
            why="it is missing from the account's roles and contacts",
            cure="associate the contact with its company in the CRM",
        ),
        references(
            "contact",
            "account_id",
            "account",
            why="it is missing from the account's roles and contacts",
            cure="check whether the company was deleted or this login may not read it",
        ),
        warn(
            "contact",
            "email_plausible",
            matches("email", EMAIL),
            "the e-mail address is not valid",
            why="the person cannot be matched in desk and product",
            cure="correct the address in the CRM",
        ),
        warn(
            "contact",
            "role_known",
            one_of("role", ROLES),
            f"the role is not one of {', '.join(ROLES)}",
            why="a known decision maker may count as unknown",
            cure="translate the CRM's role in the mapping, under `values` of the column role",
        ),
        warn(
            "contact",
            "last_contacted_not_in_future",
            not_in_future("last_contacted_at"),
            "the last contact is in the future",
            why="an account that nobody has contacted would look well served",
            cure="map the date of the last contact, not of the next one",
        ),
    ]


def _owner() -> list[Rule]:
    return [
        warn(
            "owner",
            "email_present",
            not_null("email", ("is_active", "==", True)),
            "an active owner has no e-mail address",
            why="alerts cannot reach this person",
            cure="enter the user's e-mail address in the CRM",
        ),
        warn(
            "owner",
            "email_plausible",
            matches("email", EMAIL),
            "the e-mail address is not valid",
            why="alerts cannot reach this person",
            cure="correct the address in the CRM",
        ),
        warn(
            "owner",
            "is_active_present",
            not_null("is_active"),
            "the CRM does not say whether the owner is active",
            why="alerts could go to someone who has left",
            cure="map the field with the active state to is_active",
        ),
    ]


def _opportunity() -> list[Rule]:
    return [
        warn(
            "opportunity",
            "account_present",
            not_null("account_id"),
            "the opportunity has no account",
            why="its contract does not count for any account",
            cure="associate the deal with its company in the CRM",
        ),
        references(
            "opportunity",
            "account_id",
            "account",
            why="its contract does not count for any account",
            cure="check whether the company was deleted or this login may not read it",
        ),
        warn(
            "opportunity",
            "stage_present",
            not_null("stage"),
            "the opportunity has no stage",
            why="its renewal cannot be tracked",
            cure="map the deal's stage to stage",
        ),
        rule(
            "opportunity",
            "won_is_closed",
            one_of("is_closed", [True], WON),
            "a won opportunity is still open",
            why="its renewal would be both won and due",
            cure="close the deal in the CRM, or correct the stages that count as won",
        ),
        rule(
            "opportunity",
            "won_has_close_date",
            not_null("close_date", WON),
            "a won opportunity has no close date",
            why="whether it was renewed on time is unknown",
            cure="enter the close date in the CRM",
        ),
        rule(
            "opportunity",
            "close_date_plausible",
            between("close_date", FIRST_DATE, LAST_DATE),
            f"the close date is outside {FIRST_DATE.year} to {LAST_DATE.year}",
            why="a mistyped year removes the renewal from every list",
            cure="correct the date in the CRM",
        ),
        warn(
            "opportunity",
            "type_known",
            one_of("opportunity_type", OPPORTUNITY_TYPES),
            f"the type is not one of {', '.join(OPPORTUNITY_TYPES)}",
            why="a renewal that is not recognised leaves its contract due",
            cure="translate the CRM's value in the mapping, under `values` of the column opportunity_type",
        ),
        warn(
            "opportunity",
            "amount_non_negative",
            between("amount", 0),
            "the amount is negative",
            why="it would reduce the pipeline",
            cure="correct the amount in the CRM",
        ),
        warn(
            "opportunity",
            "amount_agrees_with_lines",
            money.amount_agrees_with_lines,
            "the amount of a won opportunity differs from the sum of its lines",
            why="sales would report a different ARR than finance; Perennial computes ARR from the lines",
            cure="compare both with the contract, and correct the lines or the deal's amount in the CRM",
        ),
        warn(
            "opportunity",
            "currency_code",
            matches("currency", CURRENCY),
            "the currency is not a three-letter code",
            why="its amount cannot be added to other amounts",
            cure="correct the currency in the CRM, or translate it in the mapping",
        ),
        rule(
            "opportunity",
            "notice_months_plausible",
            between("notice_months", 0, LONGEST_NOTICE_MONTHS),
            f"the notice period is outside 0 to {LONGEST_NOTICE_MONTHS} months",
            why="the notice deadline and all reminders before it would fall on the wrong days",
            cure="correct the notice period in the CRM; it is in months, not days",
        ),
        rule(
            "opportunity",
            "notice_given_plausible",
            between("notice_given_on", FIRST_DATE, LAST_DATE),
            f"the day of notice is outside {FIRST_DATE.year} to {LAST_DATE.year}",
            why="a mistyped year hides that the customer has given notice",
            cure="correct the date in the CRM",
        ),
    ]
