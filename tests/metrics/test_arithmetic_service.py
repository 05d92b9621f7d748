"""The figures of support and surveys against a second calculation with pandas, written from the definitions.

Nothing here was copied from the SQL. Tickets are answered, solved and reopened at random; contacts answer surveys.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from include.warehouse import build, loader
from tests.warehouse import small_world as world
from tests.warehouse.databases import database
from tests.warehouse.landing import rows

NOW = datetime.fromisoformat(world.FIRST)
MONTHS = [date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]
PRIORITIES, TYPES = ("low", "normal", "high", "urgent"), ("incident", "problem", "question", "task")


Happened = list[dict[str, Any]]


def _tickets(draw: random.Random) -> Happened:
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
                "first": draw.randrange(9000) if solves else None, "full": draw.randrange(9000) if solves else None,
                "waited": draw.randrange(9000) if solves else None, "pending": draw.randrange(9000) if solves else None,
            }
        )  # fmt: skip
    return found


def _answers(draw: random.Random) -> Happened:
    found = []
    for number in range(90):
        kind = draw.choice(["nps", "csat"])
        asked = datetime(2025, 10, 1, tzinfo=UTC) + timedelta(minutes=draw.randrange(252 * 24 * 60))
        score = draw.randrange(11) if kind == "nps" else draw.randrange(1, 6)
        found.append(
            {"id": f"s{number}", "contact": f"c{draw.randrange(12)}", "kind": kind, "score": score, "at": asked}
        )
    return found


def _load(tickets: Happened, answers: Happened) -> None:
    loader.ensure_raw_tables()
    world.load("owner", world.owner("7"))
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
    world.heard_of_all_sources()


@pytest.fixture(scope="module")
def served(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """What happened, loaded and built."""
    draw = random.Random(3)
    happened = _tickets(draw), _answers(draw)
    with database(postgres, "service", "template") as url, pytest.MonkeyPatch.context() as patch:
        world.use_short_history(patch, tmp_path_factory.mktemp("service"))
        patch.setenv("PERENNIAL_DATABASE_URL", url)
        patch.setenv("PERENNIAL_NOW", world.FIRST)
        _load(*happened)
        assert isinstance(build.run("first"), build.Finished)
        yield pd.DataFrame(happened[0]), pd.DataFrame(happened[1])


def _within(days: pd.Series, start: date, end: date) -> pd.Series:
    return pd.Series([not pd.isna(day) and start <= day <= end for day in days], index=days.index)


def _expected(tickets: pd.DataFrame, start: date, end: date) -> dict[str, float]:
    created = tickets.created.dt.date
    solved = pd.to_datetime(tickets.solved, utc=True).dt.date
    rated = pd.to_datetime(tickets.rated, utc=True).dt.date
    new = tickets[_within(created, start, end)]
    done = tickets[_within(solved, start, end)]
    waiting = tickets[(created <= end) & ~_within(solved, date.min, end)]
    age = waiting.created.dt.date.map(lambda day: (end - day).days)
    ratings = tickets.rating[_within(rated, start, end)]
    again = []
    for one in tickets.itertuples():
        of_month = [number for number, at in enumerate(one.solves) if start <= at.date() <= end]
        gaps = [one.reopens[number] - one.solves[number] for number in of_month if number < len(one.reopens)]
        if of_month:
            again.append(any(gap <= timedelta(days=14) for gap in gaps))
    return {
        "tickets_created": len(new),
        "unanswered_rate": new.reply.isna().mean(),
        "first_response_minutes": new.reply.median(),
        "first_response_business_minutes": new.business.median(),
        "first_resolution_minutes": done["first"].median(),
        "full_resolution_minutes": done.full.median(),
        "requester_wait_minutes": done.waited.median(),
        "agent_wait_minutes": done.pending.median(),
        "backlog": len(waiting),
        "urgent_backlog": (waiting.priority == "urgent").sum(),
        **{f"backlog_{name}": (waiting.priority == name).sum() for name in ("low", "normal", "high")},
        **{f"backlog_{name}s": (waiting.type == name).sum() for name in TYPES},
        "backlog_week": (age <= 7).sum(),
        "backlog_month": ((age > 7) & (age <= 30)).sum(),
        "backlog_quarter": ((age > 30) & (age <= 90)).sum(),
        "backlog_longer": (age > 90).sum(),
        "reopen_rate": sum(again) / len(again),
        "csat": (ratings == "good").mean(),
    }


def _surveys(answers: pd.DataFrame, end: date) -> dict[str, float]:
    day = answers["at"].dt.date
    asked = answers[(day <= end) & (day > end - timedelta(days=180))]
    last = asked.sort_values("at").groupby(["kind", "contact"]).tail(1)
    nps, csat = last.score[last.kind == "nps"], last.score[last.kind == "csat"]
    return {"nps": 100 * ((nps >= 9).mean() - (nps <= 6).mean()), "survey_csat": (csat >= 4).mean()}


def test_support_and_surveys(served: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    tickets, answers = served
    for end in MONTHS:
        found = rows(
            "select metric_id, value from marts.kpi_value where period = 'month' and grain = 'all' and as_of = :end",
            end=end,
        )
        stored = dict(found)
        expected = _expected(tickets, end.replace(day=1), end) | _surveys(answers, end)
        assert {name: stored.get(name) for name in expected} == {
            name: pytest.approx(float(value), abs=1e-6) for name, value in expected.items()
        }, end
