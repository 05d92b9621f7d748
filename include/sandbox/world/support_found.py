"""Zendesk after some years: former agents who are end users now, and answers that are not comments."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from include.sandbox import parameters as p
from include.sandbox.world.customers import Span
from include.sandbox.world.dates import office_hour, whole, working_day
from include.sandbox.world.records import Record, millis

ANSWERED = ("first_reply", "first_reply_business")


def record(rng: random.Random, records: list[Record], span: Span) -> list[Record]:
    """Return the records in the state of such a Zendesk."""
    agents = [each for each in records if each.kind == "support_user" and each.changes[0].values["role"] == "agent"]
    _leave(rng, agents, records, span)
    return _converse(rng, records)


def _leave(rng: random.Random, agents: list[Record], records: list[Record], span: Span) -> None:
    """Let some agents leave, weeks after their last new ticket. Others take the tickets that come in after that."""
    leavers, others = agents[: p.AGENTS_WHO_LEAVE], agents[p.AGENTS_WHO_LEAVE :]
    for agent in leavers:
        last_day = span.anchor - timedelta(days=whole(rng, (60, 300)))
        limit = millis(last_day)
        heir = rng.choice(others)
        taken = {id(each) for each in records if each.kind == "ticket" and each.at >= limit}
        for each in records:
            ticket = each if each.kind == "ticket" else each.changes[0].values.get("ticket")
            if id(ticket) in taken:
                for change in each.changes:
                    change.values = {name: heir if value is agent else value for name, value in change.values.items()}
        gone = working_day(last_day + timedelta(days=45))
        agent.change(millis(gone, office_hour(rng)), role="end-user")


def _converse(rng: random.Random, records: list[Record]) -> list[Record]:
    """Turn some tickets into messaging conversations: their metrics show an answer, but no comment does."""
    conversations = set()
    for ticket in (each for each in records if each.kind == "ticket"):
        is_one = rng.random() < p.SHARE_MESSAGING
        if not is_one or not any("first_reply" in change.values for change in ticket.changes):
            continue
        conversations.add(id(ticket))
        ticket.changes[0].values["channel"] = "native_messaging"
        seconds = whole(rng, p.MESSAGING_SECONDS)
        for change in ticket.changes:
            if "first_reply" in change.values:
                change.values = {name: each for name, each in change.values.items() if name not in ANSWERED}
                change.values["first_reply_seconds"] = seconds
    return [each for each in records if not _is_answer(each, conversations)]


def _is_answer(record: Record, conversations: set[int]) -> bool:
    values: dict[str, Any] = record.changes[0].values
    if record.kind != "comment" or id(values["ticket"]) not in conversations:
        return False
    author: Record = values["author"]
    return author.changes[0].values["role"] != "end-user"
