"""Support and survey metrics against a second calculation with pandas, written from the definitions.

Nothing here was copied from the SQL.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from tests.metrics import service_world
from tests.metrics.arithmetic_world import MONTHS, Customer
from tests.metrics.second_calculation import assert_same
from tests.metrics.service_world import TYPES

# SLA targets by priority in minutes: first reply and resolution.
PROMISED = {"urgent": (60, 1440), "high": (240, 2880), "normal": (480, 7200), "low": (1440, 14400)}


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
        "urgent_late": ((waiting.priority == "urgent") & (waiting.created < _close(end) - timedelta(hours=24))).sum(),
        "sla_attainment": _attained(new, _close(end)),
    }


def _close(end: date) -> datetime:
    return datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)


def _attained(new: pd.DataFrame, close: datetime) -> float:
    """Return the share of SLA targets met, among those fulfilled or overdue at the close."""
    kept = []
    for one in new.itertuples():
        took = (one.reply, one.full if not pd.isna(one.solved) else None)
        for minutes, promised in zip(took, PROMISED[one.priority], strict=True):
            if minutes is not None and not pd.isna(minutes):
                kept.append(minutes <= promised)
            elif one.created + timedelta(minutes=promised) < close:
                kept.append(False)
    return sum(kept) / len(kept)


def _surveys(answers: pd.DataFrame, end: date) -> dict[str, float]:
    day = answers["at"].dt.date
    asked = answers[(day <= end) & (day > end - timedelta(days=180))]
    last = asked.sort_values("at").groupby(["kind", "contact"]).tail(1)
    nps, csat = last.score[last.kind == "nps"], last.score[last.kind == "csat"]
    return {"nps": 100 * ((nps >= 9).mean() - (nps <= 6).mean()), "survey_csat": (csat >= 4).mean()}


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_support_and_surveys(played: list[Customer], end: date) -> None:
    tickets, answers = (pd.DataFrame(rows) for rows in service_world.happened())
    assert_same(_expected(tickets, end.replace(day=1), end) | _surveys(answers, end), end)
