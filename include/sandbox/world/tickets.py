"""The life of a ticket: opened, answered, solved, maybe reopened, closed; with comments, metrics and rating."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from include.sandbox import parameters as p
from include.sandbox.world.dates import between, whole
from include.sandbox.world.records import DAY, HOUR, MINUTE, Record, day_of, millis

OPENS, CLOSES = 8, 18  # the agents' hours, UTC, Monday to Friday
CLOSED_AFTER_DAYS = 4


@dataclass
class Plan:
    """The plan of a ticket."""

    at: int
    organization: Record
    requester: Record
    priority: str | None
    subject: str
    tags: list[str] = field(default_factory=list)
    slow: float = 1.0
    is_angry: bool = False
    remark: str = ""


def business_minutes(start: int, end: int) -> int:
    """Return the business minutes between two times."""
    total = 0
    for number in range(start // DAY, end // DAY + 1):
        day = day_of(number * DAY)
        if day.weekday() > 4:
            continue
        opens, closes = millis(day, OPENS), millis(day, CLOSES)
        total += max(0, min(end, closes) - max(start, opens)) // MINUTE
    return total


def in_office(at: int) -> int:
    """Return the time itself, or the next one within business hours."""
    day = day_of(at)
    while True:
        if day.weekday() < 5:
            opens, closes = millis(day, OPENS), millis(day, CLOSES)
            if at < opens:
                return opens + at % (40 * MINUTE)
            if at < closes:
                return at
        day = day_of(millis(day) + DAY)
        at = millis(day)


def write_ticket(rng: random.Random, plan: Plan, agents: list[Record]) -> list[Record]:
    """Return a ticket with its comments and its rating, if it was rated."""
    return _Life(rng, plan, rng.choice(agents)).live()


class _Life:
    def __init__(self, rng: random.Random, plan: Plan, agent: Record) -> None:
        self.rng, self.plan, self.agent = rng, plan, agent
        self.ticket = Record(
            "ticket",
            plan.at,
            organization=plan.organization,
            requester=plan.requester,
            assignee=None,
            status="new",
            priority=plan.priority,
            type=rng.choice(("question", "incident", "problem", None)),
            subject=plan.subject,
            description=f"{plan.subject}. {plan.remark}".strip(),
            channel=rng.choices(("email", "web", "api"), (0.6, 0.35, 0.05))[0],
            tags=plan.tags,
            satisfaction=None,
            n_replies=0,
            n_reopens=0,
        )
        self.made: list[Record] = [self.ticket]
        self.at = plan.at
        self.waits = {"agent": 0, "agent_business": 0, "requester": 0, "requester_business": 0}
        self.n_replies = 0

    def live(self) -> list[Record]:
        self._comment(self.plan.requester, self.plan.at, self.ticket.changes[0].values["description"])
        if self.rng.random() < 0.004:
            return self.made  # never answered
        self._reply()
        if self.rng.random() < 0.45:
            self._ask_back()
        self._solve()
        if self.rng.random() < p.SHARE_REOPENED * (3 if self.plan.is_angry else 1):
            self._reopen()
        self._rate()
        self._close()
        return self.made

    def _change(self, at: int, **values: Any) -> None:
        self.at = at = at // 1000 * 1000
        self.ticket.change(at, **values)

    def _comment(self, author: Record, at: int, body: str, public: bool = True) -> None:
        self.made.append(Record("comment", at, ticket=self.ticket, author=author, body=body, public=public))

    def _wait(self, who: str, since: int, until: int) -> dict[str, int]:
        self.waits[who] += (until - since) // MINUTE
        self.waits[f"{who}_business"] += business_minutes(since, until)
        return {
            "requester_wait": self.waits["requester"],
            "requester_wait_business": self.waits["requester_business"],
            "agent_wait": self.waits["agent"],
            "agent_wait_business": self.waits["agent_business"],
        }

    def _reply(self) -> None:
        minutes = p.FIRST_REPLY_MINUTES[self.plan.priority] * self.plan.slow * self.rng.lognormvariate(0, 0.7)
        at = in_office(self.plan.at + round(minutes * MINUTE)) // 1000 * 1000
        self.n_replies = 1
        self._comment(self.agent, at, "Thank you for writing. We are looking into it.")
        if self.plan.at // 1000 % 5 == 0:  # not drawn, so that all random draws stay unchanged
            self._comment(self.agent, at, "Same symptoms as last month, see the runbook.", public=False)
        waits = self._wait("requester", self.plan.at, at)
        self._change(
            at,
            status="open",
            assignee=self.agent,
            n_replies=1,
            first_reply=(at - self.plan.at) // MINUTE,
            first_reply_business=business_minutes(self.plan.at, at),
            **waits,
        )

    def _ask_back(self) -> None:
        asked = in_office(self.at + round(between(self.rng, (1, 8)) * self.plan.slow * HOUR))
        self.n_replies += 1
        waits = self._wait("requester", self.at, asked)
        self._comment(self.agent, asked, "Could you send us a screenshot and the time at which it happened?")
        self._change(asked, status="pending", n_replies=self.n_replies, **waits)
        answered = in_office(self.at + round(between(self.rng, (2, 40)) * HOUR))
        self._comment(
            self.plan.requester, answered, "Attached. It still happens." if self.plan.is_angry else "Here you are."
        )
        self._change(answered, status="open", **self._wait("agent", self.at, answered))

    def _solve(self) -> None:
        hours = p.RESOLUTION_HOURS[self.plan.priority] * self.plan.slow * self.rng.lognormvariate(-0.2, 0.8)
        at = in_office(self.at + round(hours * HOUR)) // 1000 * 1000
        self.n_replies += 1
        self._comment(self.agent, at, "This should work now. Please tell us if it does not.")
        waits = self._wait("requester", self.at, at)
        first = (
            {}
            if self._is_resolved
            else {
                "first_resolution": (at - self.plan.at) // MINUTE,
                "first_resolution_business": business_minutes(self.plan.at, at),
            }
        )
        self._change(
            at,
            status="solved",
            n_replies=self.n_replies,
            solved_at=at,
            full_resolution=(at - self.plan.at) // MINUTE,
            full_resolution_business=business_minutes(self.plan.at, at),
            satisfaction="offered",
            **waits,
            **first,
        )

    @property
    def _is_resolved(self) -> bool:
        return any("first_resolution" in change.values for change in self.ticket.changes)

    def _reopen(self) -> None:
        at = in_office(self.at + round(between(self.rng, (3, 90)) * HOUR))
        self._comment(self.plan.requester, at, "It is back.")
        self._change(
            at, status="open", n_reopens=1, solved_at=None, full_resolution=None, full_resolution_business=None
        )
        self._solve()

    def _rate(self) -> None:
        chance = 0.8 if self.plan.is_angry else p.SHARE_RATED
        if self.rng.random() > chance:
            return
        good = self.rng.random() < (0.15 if self.plan.is_angry else p.SHARE_GOOD)
        at = (self.at + whole(self.rng, (20, 3000)) * MINUTE) // 1000 * 1000
        score = "good" if good else "bad"
        self._change(at, satisfaction=score)
        self.made.append(
            Record("rating", at, ticket=self.ticket, organization=self.plan.organization,
                   requester=self.plan.requester, assignee=self.agent, score=score)
        )  # fmt: skip

    def _close(self) -> None:
        at = self.at + CLOSED_AFTER_DAYS * DAY + whole(self.rng, (0, 59)) * MINUTE
        self._change(at, status="closed")
        if self.rng.random() < p.SHARE_DELETED_TICKETS:
            # A deletion moves the export timestamp but not the ticket's update time.
            self.ticket.changes[-1].at = at
            deleted = (self.at + whole(self.rng, (1, 40)) * DAY) // 1000 * 1000
            self.ticket.end(deleted)
            self.ticket.change(deleted + 30 * DAY, quiet=True, subject="SCRUBBED", description="X")
