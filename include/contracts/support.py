"""Contracts of the entities from a support desk."""

from __future__ import annotations

from include.contracts import common
from include.contracts.common import has_crm_id, not_in_future, references
from include.contracts.rule import EMAIL, Rule, between, in_order, matches, not_null, one_of, rule, warn
from include.entities.catalog import ENTITIES

STATUSES = ("new", "open", "pending", "hold", "solved", "closed", "deleted")
PRIORITIES = ("low", "normal", "high", "urgent")
TYPES = ("problem", "incident", "question", "task")
SCORES = ("offered", "unoffered", "good", "bad")
ROLES = ("end-user", "agent", "admin")
EVENTS = ("status", "priority", "type", "assignee", "organization", "requester", "satisfaction", "comment")
DURATIONS = {
    "first_reply_minutes": "the time to the first reply",
    "first_reply_business_minutes": "the business time to the first reply",
    "first_resolution_minutes": "the time to the first resolution",
    "full_resolution_minutes": "the time to the full resolution",
    "full_resolution_business_minutes": "the business time to the full resolution",
    "requester_wait_minutes": "the requester's waiting time",
    "requester_wait_business_minutes": "the requester's waiting time in business hours",
    "agent_wait_minutes": "the agent's waiting time",
}
COUNTS = {"n_reopens": "the number of reopenings", "n_replies": "the number of replies"}


def rules() -> tuple[Rule, ...]:
    """Return all rules on support entities."""
    own = (*_organization(), *_support_user(), *_ticket(), *_ticket_event(), *_rating())
    shared = (each for name in ENTITIES if ENTITIES[name].kind == "support" for each in common.rules(ENTITIES[name]))
    return (*shared, *own)


def _organization() -> list[Rule]:
    return [
        warn(
            "organization",
            "name_present",
            not_null("name"),
            "the organisation has no name",
            why="the customer cannot be identified",
            cure="name the organisation in the desk",
        ),
        warn(
            "organization",
            "external_id_present",
            not_null("external_id"),
            "the organisation has no CRM account id",
            why="its tickets do not count for any account",
            cure="enter the CRM's company id as the organisation's external id",
        ),
        has_crm_id(
            "organization",
            "external_id",
            "external_id_exists",
            why="its tickets do not count for any account",
            cure="correct the organisation's external id; check whether the company was deleted in the CRM",
        ),
    ]


def _support_user() -> list[Rule]:
    return [
        warn(
            "support_user",
            "email_plausible",
            matches("email", EMAIL),
            "the e-mail address is not valid",
            why="the person cannot be matched in CRM and product",
            cure="correct the address in the desk",
        ),
        warn(
            "support_user",
            "role_known",
            one_of("role", ROLES),
            f"the role is not one of {', '.join(ROLES)}",
            why="agents' own tickets would count as customer tickets",
            cure="report the new role to Perennial's maintainers",
        ),
        references(
            "support_user",
            "organization_id",
            "organization",
            why="the person does not count for any account",
            cure="check whether the organisation was deleted or this login may not read it",
        ),
    ]


def _ticket() -> list[Rule]:
    durations = [
        rule(
            "ticket",
            f"{column}_non_negative",
            between(column, 0),
            f"{words} is negative",
            why="averages over all tickets would be too low",
            cure="check the ticket's history in the desk; old mail that was imported later can cause this",
        )
        for column, words in DURATIONS.items()
    ]
    counts = [
        rule(
            "ticket",
            f"{column}_non_negative",
            between(column, 0),
            f"{words} is negative",
            why="rates over all tickets would be wrong",
            cure="check the ticket's metrics in the desk",
        )
        for column, words in COUNTS.items()
    ]
    return [
        rule(
            "ticket",
            "status_present",
            not_null("status"),
            "the ticket has no status",
            why="it would count as neither open nor solved",
            cure="check whether the login may read the status",
        ),
        rule(
            "ticket",
            "status_known",
            one_of("status", STATUSES),
            f"the status is not one of {', '.join(STATUSES)}",
            why="it would count as neither open nor solved",
            cure="report the new status to Perennial's maintainers",
        ),
        warn(
            "ticket",
            "priority_known",
            one_of("priority", PRIORITIES),
            f"the priority is not one of {', '.join(PRIORITIES)}",
            why="an urgent ticket under another name would not count as urgent",
            cure="report the new priority to Perennial's maintainers",
        ),
        warn(
            "ticket",
            "type_known",
            one_of("ticket_type", TYPES),
            f"the type is not one of {', '.join(TYPES)}",
            why="problems and questions could not be distinguished",
            cure="report the new type to Perennial's maintainers",
        ),
        warn(
            "ticket",
            "satisfaction_known",
            one_of("satisfaction", SCORES),
            f"the satisfaction is not one of {', '.join(SCORES)}",
            why="the rating would be left out",
            cure="report the new score to Perennial's maintainers",
        ),
        rule(
            "ticket",
            "created_at_present",
            not_null("created_at"),
            "the ticket has no creation time",
            why="it would not count on any day",
            cure="check whether the login may read the ticket's creation time",
        ),
        rule(
            "ticket",
            "solved_after_created",
            in_order("created_at", "solved_at"),
            "the ticket was solved before it was created",
            why="resolution times would be negative",
            cure="check the ticket's history in the desk",
        ),
        rule(
            "ticket",
            "solved_not_in_future",
            not_in_future("solved_at"),
            "the ticket was solved in the future",
            why="it would be open and solved at the same time",
            cure="check the ticket's history in the desk",
        ),
        warn(
            "ticket",
            "organization_present",
            not_null("organization_id"),
            "the ticket has no organisation",
            why="it does not count for any account",
            cure="add the requester to the customer's organisation in the desk",
        ),
        references(
            "ticket",
            "organization_id",
            "organization",
            why="it does not count for any account",
            cure="check whether the organisation was deleted or this login may not read it",
        ),
        *durations,
        *counts,
    ]


def _ticket_event() -> list[Rule]:
    return [
        rule(
            "ticket_event",
            "ticket_present",
            not_null("ticket_id"),
            "the event has no ticket",
            why="it does not count for any account",
            cure="check the event in the desk",
        ),
        references(
            "ticket_event",
            "ticket_id",
            "ticket",
            why="it does not count for any account",
            cure="check whether the ticket was deleted or this login may not read it",
        ),
        rule(
            "ticket_event",
            "happened_at_present",
            not_null("happened_at"),
            "the event has no time",
            why="reply, resolution and reopening times start or end with it",
            cure="check whether the login may read the event's time",
        ),
        rule(
            "ticket_event",
            "happened_at_not_in_future",
            not_in_future("happened_at"),
            "the event happened in the future",
            why="durations that end with it would be too long",
            cure="check the ticket's history in the desk",
        ),
        rule(
            "ticket_event",
            "event_type_known",
            one_of("event_type", EVENTS),
            f"the event type is not one of {', '.join(EVENTS)}",
            why="it would be left out of all figures",
            cure="report the new event type to Perennial's maintainers",
        ),
        rule(
            "ticket_event",
            "status_known",
            one_of("new_value", STATUSES, ("event_type", "==", "status")),
            f"the ticket changed to a status that is not one of {', '.join(STATUSES)}",
            why="reopenings and the backlog of past days would be wrong",
            cure="report the new status to Perennial's maintainers",
        ),
        warn(
            "ticket_event",
            "is_public_present",
            not_null("is_public", ("event_type", "==", "comment")),
            "it is unknown whether the customer sees the comment",
            why="it counts as internal: a reply would be missing",
            cure="check whether the login may read comments",
        ),
    ]


def _rating() -> list[Rule]:
    return [
        rule(
            "rating",
            "ticket_present",
            not_null("ticket_id"),
            "the rating has no ticket",
            why="it does not count for any account",
            cure="check the rating in the desk",
        ),
        references(
            "rating",
            "ticket_id",
            "ticket",
            why="it does not count for any account",
            cure="check whether the ticket was deleted or this login may not read it",
        ),
        rule(
            "rating",
            "score_present",
            not_null("score"),
            "the rating has no score",
            why="an unanswered survey would count as a rating",
            cure="check whether the login may read scores",
        ),
        rule(
            "rating",
            "score_known",
            one_of("score", SCORES),
            f"the score is not one of {', '.join(SCORES)}",
            why="it would be left out of satisfaction",
            cure="report the new score to Perennial's maintainers",
        ),
        rule(
            "rating",
            "created_at_present",
            not_null("created_at"),
            "the rating has no time",
            why="it would not count on any day",
            cure="check whether the login may read the rating's time",
        ),
    ]
