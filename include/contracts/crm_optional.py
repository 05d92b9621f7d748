"""Contracts of entities that not every CRM has: activities, invoices, surveys, milestones, objectives."""

from __future__ import annotations

from datetime import timedelta

from include.contracts.common import references
from include.contracts.rule import (
    FIRST_DATE,
    LAST_DATE,
    BatchFacts,
    Condition,
    Expect,
    Factory,
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
_ELSEWHERE = "check whether the company was deleted or this login may not read it"


def rules() -> tuple[Rule, ...]:
    """Return the rules specific to the optional CRM entities."""
    return (*_activity(), *_invoice(), *_survey_response(), *_milestone(), *_objective())


def by_now(column: str, *where: Condition) -> Factory:
    """Expect no timestamp more than a day ahead, which allows for clock and time zone differences."""

    def expect(facts: BatchFacts) -> Expect | None:
        return between(column, None, facts.now + timedelta(days=1), *where)(facts)

    return expect


def _account(entity: str, what: str, why: str, cure: str) -> list[Rule]:
    return [
        warn(entity, "account_present", not_null("account_id"), f"{what} has no account", why=why, cure=cure),
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
            "it does not count as contact with any account",
            "associate it with its company in the CRM",
        ),
        warn(
            "activity",
            "type_known",
            one_of("activity_type", ACTIVITY_TYPES),
            f"the type is not one of {', '.join(ACTIVITY_TYPES)}",
            why="it does not count as contact with the customer",
            cure="translate the CRM's value in the mapping, under `values` of the column activity_type",
        ),
        warn(
            "activity",
            "direction_known",
            one_of("direction", DIRECTIONS),
            f"the direction is not one of {', '.join(DIRECTIONS)}",
            why="it would be unknown who contacted whom",
            cure="translate the CRM's value in the mapping, under `values` of the column direction",
        ),
        rule(
            "activity",
            "happened_at_present",
            not_null("happened_at"),
            "the activity has no time",
            why="the last contact with the account would be unknown",
            cure="enter the time in the CRM, or map its field to happened_at",
        ),
        warn(
            "activity",
            "completed_not_in_future",
            by_now("happened_at", COMPLETED),
            "a completed activity is in the future",
            why="an account that nobody has contacted would look well served",
            cure="correct the time or state of the activity in the CRM",
        ),
        warn(
            "activity",
            "duration_non_negative",
            between("duration_minutes", 0),
            "the duration is negative",
            why="the time spent on the account would be too short",
            cure="correct the start or end of the activity in the CRM",
        ),
    ]


def _invoice() -> list[Rule]:
    why_date = "a mistyped year makes an invoice look overdue, or hides that it is"
    return [
        *_account(
            "invoice",
            "the invoice",
            "overdue amounts do not count for any account",
            "associate it with its company in the CRM",
        ),
        rule(
            "invoice",
            "amount_present",
            not_null("amount"),
            "the invoice has no amount",
            why="the overdue amount would be too low although nobody has paid",
            cure="enter the invoice's amount at the source",
        ),
        warn(
            "invoice",
            "open_within_amount",
            in_order("amount_open", "amount"),
            "the open amount is above the invoiced amount",
            why="the overdue amount would be too high",
            cure="check which payments or credits the source has booked twice",
        ),
        rule(
            "invoice",
            "currency_code",
            matches("currency", CURRENCY),
            "the currency is not a three-letter code",
            why="its amount cannot be added to other amounts",
            cure="correct the currency at the source, or translate it in the mapping",
        ),
        warn(
            "invoice",
            "status_known",
            one_of("status", INVOICE_STATES),
            f"the status is not one of {', '.join(INVOICE_STATES)}",
            why="it would be unknown whether it must be paid at all",
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
            "it does not count in any account's scores",
            "associate the survey's answers with companies in the CRM",
        ),
        rule(
            "survey_response",
            "kind_known",
            one_of("kind", SURVEY_KINDS),
            f"the kind is not one of {', '.join(SURVEY_KINDS)}",
            why="scores of different scales would be mixed",
            cure="translate the source's value in the mapping, under `values` of the column kind",
        ),
        rule(
            "survey_response",
            "score_present",
            not_null("score"),
            "the answer has no score",
            why="it can neither be counted nor averaged",
            cure="map the field that holds the score, or leave out answers without one",
        ),
        rule(
            "survey_response",
            "nps_within_scale",
            between("score", 0, 10, OF_NPS),
            "an NPS score is outside 0 to 10",
            why="promoters and detractors would be told apart on the wrong scale",
            cure="map the score from 0 to 10, not its group or a percentage",
        ),
        rule(
            "survey_response",
            "answered_at_present",
            not_null("answered_at"),
            "the answer has no time",
            why="it does not count in any period",
            cure="map the time of the answer to answered_at",
        ),
        warn(
            "survey_response",
            "answered_not_in_future",
            by_now("answered_at"),
            "the answer was given in the future",
            why="it would count in a period that has not started",
            cure="map the time of the answer, not of the survey's end",
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
            why="the person notified that it is late would not know what is late",
            cure="give it a name in the CRM, or map the property that holds it",
        ),
    ]


def _milestone() -> list[Rule]:
    return [
        *_account(
            "milestone",
            "the milestone",
            "it does not count towards any account's progress",
            "associate it with its company in the CRM",
        ),
        *_dates("milestone"),
    ]


def _objective() -> list[Rule]:
    return [
        *_account(
            "objective",
            "the objective",
            "it does not count towards any account's success",
            "associate it with its company in the CRM",
        ),
        *_dates("objective"),
    ]
