"""Contracts of the entities from a support desk."""

from __future__ import annotations

from include.contracts import common
from include.contracts.common import carries_crm_id, not_in_future, references
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
            why="nobody can say which customer it is",
            cure="name the organisation in the desk",
        ),
        warn(
            "organization",
            "external_id_present",
            not_null("external_id"),
            "the organisation does not carry the CRM's account id",
            why="its tickets count for no account",
            cure="write the CRM's company id into the organisation's external id",
        ),
        carries_crm_id(
            "organization",
            "external_id",
            "external_id_exists",
            why="its tickets count for no account",
            cure="correct the organisation's external id; see whether the company was deleted in the CRM",
        ),
    ]


def _support_user() -> list[Rule]:
    return [
        warn(
            "support_user",
            "email_plausible",
            matches("email", EMAIL),
            "the e-mail address is none",
            why="the person cannot be recognised in CRM and product",
            cure="correct the address in the desk",
        ),
        warn(
            "support_user",
            "role_known",
            one_of("role", ROLES),
            f"the role is none of {', '.join(ROLES)}",
            why="agents' own tickets would count as customers'",
            cure="tell the maintainers about the new role",
        ),
        references(
            "support_user",
            "organization_id",
            "organization",
            why="the person counts for no account",
            cure="see whether the organisation was deleted or is outside what this login may read",
        ),
    ]


def _ticket() -> list[Rule]:
    durations = [
        rule(
            "ticket",
            f"{column}_non_negative",
            between(column, 0),
            f"{words} is negative",
            why="averages over all tickets would be too good",
            cure="see the ticket's history in the desk; mail from the past that was imported later causes it",
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
            cure="see the ticket's metrics in the desk",
        )
        for column, words in COUNTS.items()
    ]
    return [
        rule(
            "ticket",
            "status_present",
            not_null("status"),
            "the ticket has no status",
            why="it would count neither as open nor as solved",
            cure="see whether the login may read the status",
        ),
        rule(
            "ticket",
            "status_known",
            one_of("status", STATUSES),
            f"the status is none of {', '.join(STATUSES)}",
            why="it would count neither as open nor as solved",
            cure="tell the maintainers about the new status",
        ),
        warn(
            "ticket",
            "priority_known",
            one_of("priority", PRIORITIES),
            f"the priority is none of {', '.join(PRIORITIES)}",
            why="an urgent ticket under another name is not counted as one",
            cure="tell the maintainers about the new priority",
        ),
        warn(
            "ticket",
            "type_known",
            one_of("ticket_type", TYPES),
            f"the type is none of {', '.join(TYPES)}",
            why="problems and questions could not be distinguished",
            cure="tell the maintainers about the new type",
        ),
        warn(
            "ticket",
            "satisfaction_known",
            one_of("satisfaction", SCORES),
            f"the satisfaction is none of {', '.join(SCORES)}",
            why="the rating would be left out",
            cure="tell the maintainers about the new score",
        ),
        rule(
            "ticket",
            "created_at_present",
            not_null("created_at"),
            "the ticket does not say when it was created",
            why="it would belong to no day",
            cure="see whether the login may read the ticket's creation",
        ),
        rule(
            "ticket",
            "solved_after_created",
            in_order("created_at", "solved_at"),
            "the ticket was solved before it was created",
            why="times to resolution would be negative",
            cure="see the ticket's history in the desk",
        ),
        rule(
            "ticket",
            "solved_not_in_future",
            not_in_future("solved_at"),
            "the ticket was solved in the future",
            why="it would be open and solved at once",
            cure="see the ticket's history in the desk",
        ),
        warn(
            "ticket",
            "organization_present",
            not_null("organization_id"),
            "the ticket belongs to no organisation",
            why="it counts for no account",
            cure="put the requester into the customer's organisation in the desk",
        ),
        references(
            "ticket",
            "organization_id",
            "organization",
            why="it counts for no account",
            cure="see whether the organisation was deleted or is outside what this login may read",
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
            "the event belongs to no ticket",
            why="it counts for no account",
            cure="see the event in the desk",
        ),
        references(
            "ticket_event",
            "ticket_id",
            "ticket",
            why="it counts for no account",
            cure="see whether the ticket was deleted or is outside what this login may read",
        ),
        rule(
            "ticket_event",
            "happened_at_present",
            not_null("happened_at"),
            "the event does not say when it happened",
            why="times to reply, to solve and to reopen start or end with it",
            cure="see whether the login may read the event's time",
        ),
        rule(
            "ticket_event",
            "happened_at_not_in_future",
            not_in_future("happened_at"),
            "the event happened in the future",
            why="durations that end with it are too long",
            cure="see the ticket's history in the desk",
        ),
        rule(
            "ticket_event",
            "event_type_known",
            one_of("event_type", EVENTS),
            f"the type of event is none of {', '.join(EVENTS)}",
            why="it would be left out of every figure",
            cure="tell the maintainers about the new type of event",
        ),
        rule(
            "ticket_event",
            "status_known",
            one_of("new_value", STATUSES, ("event_type", "==", "status")),
            f"the ticket took a status that is none of {', '.join(STATUSES)}",
            why="reopenings and the backlog of past days would be wrong",
            cure="tell the maintainers about the new status",
        ),
        warn(
            "ticket_event",
            "is_public_present",
            not_null("is_public", ("event_type", "==", "comment")),
            "the comment does not say whether the customer sees it",
            why="it counts as internal: a reply would be missing",
            cure="see whether the login may read comments",
        ),
    ]


def _rating() -> list[Rule]:
    return [
        rule(
            "rating",
            "ticket_present",
            not_null("ticket_id"),
            "the rating belongs to no ticket",
            why="it counts for no account",
            cure="see the rating in the desk",
        ),
        references(
            "rating",
            "ticket_id",
            "ticket",
            why="it counts for no account",
            cure="see whether the ticket was deleted or is outside what this login may read",
        ),
        rule(
            "rating",
            "score_present",
            not_null("score"),
            "the rating has no score",
            why="an unanswered rating would count as one",
            cure="see whether the login may read scores",
        ),
        rule(
            "rating",
            "score_known",
            one_of("score", SCORES),
            f"the score is none of {', '.join(SCORES)}",
            why="satisfaction would leave it out",
            cure="tell the maintainers about the new score",
        ),
        rule(
            "rating",
            "created_at_present",
            not_null("created_at"),
            "the rating does not say when it was given",
            why="it would belong to no day",
            cure="see whether the login may read the rating's time",
        ),
    ]
