"""Contracts of entities that not every CRM has: activities, invoices, surveys, milestones, objectives."""

from __future__ import annotations

from datetime import timedelta

from include.contracts.common import references
from include.contracts.rule import (
    FIRST_DATE,
    LAST_DATE,
    Condition,
    Expect,
    Factory,
    Known,
    Rule,
    between,
    in_order,
    matches,
    not_null,
    one_of,
    rule,
    warn,
)

ACTIVITY_TYPES = ("call", "meeting", "email", "note", "task")
DIRECTIONS = ("in", "out")
INVOICE_STATES = ("draft", "open", "paid", "void")
SURVEY_KINDS = ("nps", "csat", "ces")
CURRENCY = r"^[A-Za-z]{3}$"
COMPLETED: Condition = ("is_completed", "==", True)
OF_NPS: Condition = ("kind", "==", "nps")
_YEARS = f"is outside {FIRST_DATE.year} to {LAST_DATE.year}"
_ELSEWHERE = "see whether the company was deleted or is outside what this login may read"


def rules() -> tuple[Rule, ...]:
    """Return the rules specific to the optional CRM entities."""
    return (*_activity(), *_invoice(), *_survey_response(), *_milestone(), *_objective())


def by_now(column: str, *where: Condition) -> Factory:
    """Expect no timestamp more than a day ahead, which allows for clock and time zone differences."""

    def expect(known: Known) -> Expect | None:
        return between(column, None, known.now + timedelta(days=1), *where)(known)

    return expect


def _account(entity: str, what: str, why: str, cure: str) -> list[Rule]:
    return [
        warn(entity, "account_present", not_null("account_id"), f"{what} belongs to no account", why=why, cure=cure),
        references(entity, "account_id", "account", why=why, cure=_ELSEWHERE),
    ]


def _plausible(entity: str, column: str, what: str, why: str) -> Rule:
    return rule(
        entity,
        f"{column.removesuffix('_on')}_plausible",
        between(column, FIRST_DATE, LAST_DATE),
        f"{what} {_YEARS}",
        why=why,
        cure="correct the date in the CRM",
    )


def _activity() -> list[Rule]:
    return [
        *_account(
            "activity",
            "the activity",
            "it counts as contact with nobody",
            "associate it with its company in the CRM",
        ),
        warn(
            "activity",
            "type_known",
            one_of("activity_type", ACTIVITY_TYPES),
            f"the type is none of {', '.join(ACTIVITY_TYPES)}",
            why="it counts as no contact with the customer",
            cure="translate the CRM's value in the mapping, under `values` of the column activity_type",
        ),
        warn(
            "activity",
            "direction_known",
            one_of("direction", DIRECTIONS),
            f"the direction is none of {', '.join(DIRECTIONS)}",
            why="who turned to whom would be answered wrongly",
            cure="translate the CRM's value in the mapping, under `values` of the column direction",
        ),
        rule(
            "activity",
            "happened_at_present",
            not_null("happened_at"),
            "the activity has no time",
            why="the last contact with the account could not be told",
            cure="enter the time in the CRM, or map the field that holds it onto happened_at",
        ),
        warn(
            "activity",
            "completed_not_in_future",
            by_now("happened_at", COMPLETED),
            "a completed activity is in the future",
            why="an account that nobody has spoken to would look cared for",
            cure="correct time or state of the activity in the CRM",
        ),
        warn(
            "activity",
            "duration_non_negative",
            between("duration_minutes", 0),
            "the duration is negative",
            why="the time spent on the account would be too short",
            cure="correct start or end of the activity in the CRM",
        ),
    ]


def _invoice() -> list[Rule]:
    why_date = "a mistyped year hides that an invoice is overdue, or makes it so"
    return [
        *_account(
            "invoice",
            "the invoice",
            "what is overdue counts for nobody",
            "associate it with its company in the CRM",
        ),
        rule(
            "invoice",
            "amount_present",
            not_null("amount"),
            "the invoice has no amount",
            why="the sum that is overdue would be too small without anybody having paid",
            cure="enter the invoice's amount at the source",
        ),
        warn(
            "invoice",
            "open_within_amount",
            in_order("amount_open", "amount"),
            "more is open than was invoiced",
            why="the sum that is overdue would be too large",
            cure="see which payments or credits the source has booked twice",
        ),
        rule(
            "invoice",
            "currency_code",
            matches("currency", CURRENCY),
            "the currency is not a code of three letters",
            why="its amount cannot be added to others",
            cure="correct the currency at the source, or translate it in the mapping",
        ),
        warn(
            "invoice",
            "status_known",
            one_of("status", INVOICE_STATES),
            f"the status is none of {', '.join(INVOICE_STATES)}",
            why="whether it is to be paid at all could not be told",
            cure="translate the source's value in the mapping, under `values` of the column status",
        ),
        warn(
            "invoice",
            "due_present",
            not_null("due_on", ("status", "==", "open")),
            "an open invoice has no due date",
            why="it would never be overdue",
            cure="enter the due date at the source",
        ),
        _plausible("invoice", "issued_on", "the day of issue", why_date),
        _plausible("invoice", "due_on", "the due date", why_date),
        _plausible("invoice", "paid_on", "the day of payment", why_date),
        warn(
            "invoice",
            "due_after_issued",
            in_order("issued_on", "due_on"),
            "the invoice was due before it was issued",
            why="it would have been overdue from its first day",
            cure="correct the dates at the source",
        ),
    ]


def _survey_response() -> list[Rule]:
    return [
        *_account(
            "survey_response",
            "the answer",
            "it counts for no account's scores",
            "associate the survey's answers with companies in the CRM",
        ),
        rule(
            "survey_response",
            "kind_known",
            one_of("kind", SURVEY_KINDS),
            f"the kind is none of {', '.join(SURVEY_KINDS)}",
            why="scores of different scales would be mixed",
            cure="translate the source's value in the mapping, under `values` of the column kind",
        ),
        rule(
            "survey_response",
            "score_present",
            not_null("score"),
            "the answer has no score",
            why="it can neither be counted nor averaged",
            cure="map the field that holds the score, or leave answers without one out",
        ),
        rule(
            "survey_response",
            "nps_within_scale",
            between("score", 0, 10, OF_NPS),
            "a score of the NPS is outside 0 to 10",
            why="promoters and detractors would be distinguished on another scale",
            cure="map the score of 0 to 10, not its group or a percentage",
        ),
        rule(
            "survey_response",
            "answered_at_present",
            not_null("answered_at"),
            "the answer has no time",
            why="it belongs to no period",
            cure="map the field that says when it was given onto answered_at",
        ),
        warn(
            "survey_response",
            "answered_not_in_future",
            by_now("answered_at"),
            "the answer was given in the future",
            why="it would count in a period that has not started",
            cure="map the time of the answer, not that of the survey's end",
        ),
    ]


def _dates(entity: str) -> list[Rule]:
    why = "a mistyped year hides that it is late"
    return [
        _plausible(entity, "due_on", "the due date", why),
        _plausible(entity, "done_on", "the day on which it was done", why),
        warn(
            entity,
            "name_present",
            not_null("name"),
            f"the {entity} has no name",
            why="nobody who is notified that it is late would know what is late",
            cure="give it a name in the CRM, or map the property that holds it",
        ),
    ]


def _milestone() -> list[Rule]:
    return [
        *_account(
            "milestone",
            "the milestone",
            "nobody's progress is measured by it",
            "associate it with its company in the CRM",
        ),
        *_dates("milestone"),
    ]


def _objective() -> list[Rule]:
    return [
        *_account(
            "objective",
            "the objective",
            "nobody's success is measured by it",
            "associate it with its company in the CRM",
        ),
        *_dates("objective"),
    ]
