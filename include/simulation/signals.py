"""Replay signals on past days: when they would have opened, become worse and closed, and the alerts per person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from include.decide.rules.evaluate import Hit, evaluate
from include.decide.rules.load import Rule
from include.decide.signals.plan import filters
from include.decide.signals.schema import Signal
from include.simulation.history import History


@dataclass
class Past:
    """A replayed episode.

    Args:
        kind: risk, opportunity or data.
        owner_key: The CSM when it opened.
        arr: The account's ARR when it opened.
        is_silent: Whether it opened on the first day and the signal is silent then: nobody would have been notified.
        worse_on: The day on which it became worse.
        closed_on: The day on which it closed; None while it is open.
    """

    signal: str
    kind: str
    subject_id: str
    account_key: str
    owner_key: str
    arr: float
    opened_on: date
    is_silent: bool
    worse_on: date | None = None
    closed_on: date | None = None


@dataclass
class Replay:
    """All replayed episodes of a period.

    Args:
        episodes: In the order in which they opened.
        accounts: CSM -> number of accounts on the last day.
    """

    first: date
    last: date
    episodes: list[Past] = field(default_factory=list)
    accounts: Counter[str] = field(default_factory=Counter)

    @property
    def notified(self) -> list[Past]:
        """The episodes of which somebody would have been notified."""
        return [past for past in self.episodes if not past.is_silent]

    def new_by_person_and_day(self) -> Counter[tuple[str, date]]:
        """Return the number of alerts per person and day, before any budget."""
        found: Counter[tuple[str, date]] = Counter()
        for past in self.notified:
            found[past.owner_key, past.opened_on] += 1
            if past.worse_on and past.worse_on > past.opened_on:
                found[past.owner_key, past.worse_on] += 1
        return found


def replay(history: History, signals: Mapping[str, Rule[Signal]]) -> Replay:
    """Replay signals day by day.

    Args:
        history: The days, with the tables of the signals' subjects.
        signals: The signals to replay. Retired ones open nothing.
    """
    result = Replay(history.first, history.last)
    located_rules = {
        name: replace(rule, table=history.table(rule.about))
        for name, rule in signals.items()
        if rule.file.status != "retired"
    }
    open_now: dict[str, dict[str, Past]] = defaultdict(dict)
    closed: dict[tuple[str, str], date] = {}
    for day in history.days:
        for name, rule in located_rules.items():
            seen = set()
            for hit in evaluate(history.connection, day, rule, list(open_now[name])):
                seen.add(hit.subject_id)
                past = open_now[name].get(hit.subject_id)
                if past:
                    _update(past, hit, day)
                elif hit.opens and not filters(day, rule.file, hit.values, closed.get((name, hit.subject_id))):
                    past = _opened(rule, hit, day, day == history.first)
                    open_now[name][hit.subject_id] = past
                    result.episodes.append(past)
            for subject_id, past in list(open_now[name].items()):
                if subject_id not in seen and past.closed_on is None:
                    past.closed_on = day
                if past.closed_on:
                    closed[name, subject_id] = past.closed_on
                    del open_now[name][subject_id]
    if any(rule.about == "account" for rule in located_rules.values()):
        rows = history.connection.exec_driver_sql(
            "select owner_key, count(*) from past_account where as_of_day = %(day)s group by 1", {"day": history.last}
        )
        result.accounts = Counter({str(owner): number for owner, number in rows})
    return result


def _update(past: Past, hit: Hit, day: date) -> None:
    if hit.closes:
        past.closed_on = day
    elif hit.is_worse and past.worse_on is None:
        past.worse_on = day


def _opened(rule: Rule[Signal], hit: Hit, day: date, is_first: bool) -> Past:
    return Past(
        rule.file.name,
        rule.file.kind,
        hit.subject_id,
        hit.account_key,
        str(hit.values["owner_key"]),
        float(hit.values["arr"] or 0),
        day,
        is_first and rule.file.first_scan == "silent",
        day if hit.is_worse else None,
    )
