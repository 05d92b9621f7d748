"""Random tickets, replies, solutions and reopenings, and survey answers by contacts."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from tests.fixtures import small_world as world

NOW = datetime.fromisoformat(world.FIRST)
PRIORITIES, TYPES = ("low", "normal", "high", "urgent"), ("incident", "problem", "question", "task")


Happened = list[dict[str, Any]]


def _minutes(time: timedelta) -> int:
    return int(time.total_seconds() // 60)


def _tickets(draw: random.Random) -> Happened:
    """Yield tickets with random replies, solutions and reopenings."""
    found = []
    for number in range(160):
        created = datetime(2026, 2, 10, tzinfo=UTC) + timedelta(minutes=draw.randrange(118 * 24 * 60))
        reply = draw.randrange(5, 4000) if draw.random() < 0.85 else None
        moment = created + timedelta(minutes=(reply or 0) + draw.randrange(30, 20000))
        solves, reopens = [], []
        while moment < NOW:
            solves.append(moment)
            back = moment + timedelta(days=draw.choice([1, 5, 10, 13, 16, 20]), minutes=1)
            if draw.random() > 0.3 or back >= NOW:
                break
            reopens.append(back)
            moment = back + timedelta(minutes=draw.randrange(30, 9000))
        if reply and created + timedelta(minutes=reply + 1) >= NOW:
            reply = None
        is_open = len(solves) == len(reopens)
        rated = solves[-1] + timedelta(hours=1) if not is_open and draw.random() < 0.5 else None
        found.append(
            {
                "id": str(number), "org": draw.choice(["o1", "o2"]), "created": created, "reply": reply,
                "priority": draw.choice(PRIORITIES), "type": draw.choice(TYPES), "solves": solves, "reopens": reopens,
                "solved": None if is_open else solves[-1], "rated": rated if rated and rated < NOW else None,
                "rating": draw.choice(["good", "bad"]), "business": draw.randrange(5, 900) if reply else None,
                "first": _minutes(solves[0] - created) if solves else None,
                "full": _minutes(solves[-1] - created) if solves else None,
                "waited": draw.randrange(9000) if solves else None, "pending": draw.randrange(9000) if solves else None,
            }
        )  # fmt: skip
    return found


def _answers(draw: random.Random) -> Happened:
    """Yield survey answers of contacts."""
    found = []
    for number in range(90):
        kind = draw.choice(["nps", "csat"])
        asked = datetime(2025, 10, 1, tzinfo=UTC) + timedelta(minutes=draw.randrange(252 * 24 * 60))
        score = draw.randrange(11) if kind == "nps" else draw.randrange(1, 6)
        found.append(
            {"id": f"s{number}", "contact": f"c{draw.randrange(12)}", "kind": kind, "score": score, "at": asked}
        )
    return found


def happened() -> tuple[Happened, Happened]:
    """Return tickets and answers; every call returns the same."""
    draw = random.Random(3)
    return _tickets(draw), _answers(draw)


def load() -> None:
    """Load the events into two separate accounts."""
    tickets, answers = happened()
    world.load("account", world.account("1"), world.account("2"))
    world.load("organization", world.organization("o1", "1"), world.organization("o2", "2"))
    world.load("support_user", world.record("r", role="end-user"), world.record("a", role="agent"))
    made, events, ratings = [], [], []
    for one in (SimpleNamespace(**each) for each in tickets):
        made.append(
            world.ticket(
                one.id, one.org, created_at=one.created, requester_id="r", priority=one.priority, ticket_type=one.type,
                status="solved" if one.solved else "open", solved_at=one.solved, first_resolution_minutes=one.first,
                full_resolution_minutes=one.full, requester_wait_minutes=one.waited, agent_wait_minutes=one.pending,
                first_reply_business_minutes=one.business,
            )
        )  # fmt: skip
        said = [("comment", "r", one.created, {"is_public": True})]
        if one.reply:
            answered = one.created + timedelta(minutes=one.reply, seconds=30)
            said.append(("comment", "a", answered, {"is_public": True}))
        said += [("status", "a", at, {"old_value": "open", "new_value": "solved"}) for at in one.solves]
        said += [("status", "r", at, {"old_value": "solved", "new_value": "open"}) for at in one.reopens]
        for number, (kind, actor, at, values) in enumerate(said):
            about = {"ticket_id": one.id, "organization_id": one.org, "event_type": kind, "actor_id": actor}
            events.append(world.record(f"{one.id}-{number}", happened_at=at, **about, **values))
        if one.rated:
            about = {"ticket_id": one.id, "organization_id": one.org, "score": one.rating}
            ratings.append(world.record(f"r{one.id}", created_at=one.rated, updated_at=one.rated, **about))
    world.load("ticket", *made)
    world.load("ticket_event", *events)
    world.load("rating", *ratings)
    asked = []
    for one in (SimpleNamespace(**each) for each in answers):
        account = "1" if int(one.contact[1:]) % 2 else "2"
        values = {"account_id": account, "contact_id": one.contact, "kind": one.kind, "score": Decimal(one.score)}
        asked.append(world.record(one.id, answered_at=one.at, **values))
    world.load("survey_response", *asked)
