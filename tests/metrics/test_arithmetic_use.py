"""Usage metrics against a second calculation with pandas on the raw events, written from the definitions.

Nothing here was copied from the SQL: each value is counted from the rows of its 28 days, day by day.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from tests.metrics.arithmetic_world import DAY, MONTHS, USE_FROM, VALUE, Customer, uses
from tests.metrics.second_calculation import assert_same

YEAR, TRIAL, IN_TIME = timedelta(days=365), timedelta(days=90), 30


@pytest.fixture(scope="module")
def used(played: list[Customer]) -> pd.DataFrame:
    """Every event of a human user."""
    return uses(played)


def _known(played: list[Customer], end: date) -> list[Customer]:
    """Return paying customers with product accounts."""
    return [one for one in played if one.arr(end) > 0 and one.product_since and one.product_since <= end]


def _window(used: pd.DataFrame, members: list[Customer], end: date, days: int = 28) -> pd.DataFrame:
    """Return a group's events in the window ending on a day, including those without value."""
    names = {one.name for one in members}
    return used[used.account.isin(names) & (used.day <= end) & (used.day > end - days * DAY)]


def _valued(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.feature.isin(VALUE)]


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_active_people(played: list[Customer], used: pd.DataFrame, end: date) -> None:
    known = _known(played, end)
    all_uses = _window(used, known, end)
    window = _valued(all_uses)
    days = window.groupby("user").day.nunique()
    mau, user_days = len(days), days.sum()
    workdays = len(window[window.day.map(lambda day: day.weekday() < 5)].drop_duplicates(["user", "day"]))
    measured = all_uses[all_uses.minutes.notna()]
    timed = window[window.account.isin(measured.account)].drop_duplicates(["user", "day"])
    roles = {(one.name, user["role"]) for one in known for user in one.users if user["role"] and not user["is_bot"]}
    seated = [one for one in known if end in one.seats]
    counted = ([n for day, (n, _) in one.seats.items() if end - 28 * DAY < day <= end] for one in seated)
    seats_28d = sum(round(sum(paid) / len(paid), 2) for paid in counted)  # per account, to a hundredth of a seat
    expected = {
        "activity_rate": window.account.nunique() / len(known),
        "mau": mau,
        "wau": _valued(_window(used, known, end, 7)).user.nunique(),
        "dau": workdays / 20,
        "stickiness": workdays / 20 / mau,
        "active_days_per_user": user_days / mau,
        "depth": (days >= 10).sum() / mau,
        "time_online": measured.minutes.sum() / len(timed),
        "breadth": window.groupby("account").feature.nunique().sum() / (len(VALUE) * len(known)),
        "role_coverage": len(window.dropna(subset="role").drop_duplicates(["account", "role"])) / len(roles),
        "active_seat_rate": _window(window, seated, end).user.nunique() / seats_28d,
        "licence_utilisation": sum(one.seats[end][1] for one in seated) / sum(one.seats[end][0] for one in seated),
    }
    assert_same(expected, end)


def _active_teams(used: pd.DataFrame, members: list[Customer], day: date) -> set[tuple[str, str]]:
    users = _valued(_window(used, members, day)).dropna(subset="team").groupby(["account", "team"]).user.nunique()
    return set(users[users >= 3].index)


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_teams(played: list[Customer], used: pd.DataFrame, end: date) -> None:
    known = _known(played, end)
    teams = {(one.name, user["team"]) for one in known for user in one.users if user["team"] and not user["is_bot"]}
    start = end.replace(day=1)
    began: dict[tuple[str, str], date] = {}
    for day in pd.date_range(USE_FROM, end).date:
        for team in _active_teams(used, known, day):
            began.setdefault(team, day)
    # For features used in the first 28 known days, the first use is unknown.
    new = [day for day in began.values() if day >= max(start, USE_FROM + 28 * DAY)]
    expected = {
        "team_coverage": len(_active_teams(used, known, end)) / len(teams),
        "new_teams": len(new),
    }
    assert_same(expected, end)


def _first_known(one: Customer) -> date:
    return max(one.product_since or USE_FROM, USE_FROM)


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_usage_against_the_baseline(played: list[Customer], used: pd.DataFrame, end: date) -> None:
    now = usual = 0.0
    for one in _known(played, end):
        ends = [end - 7 * week * DAY for week in range(1, 13)]
        windows = [_valued(_window(used, [one], day)).n.sum() for day in ends if day - 27 * DAY >= _first_known(one)]
        if len(windows) >= 4:
            now += _valued(_window(used, [one], end)).n.sum()
            usual += float(pd.Series(windows).median())
    assert_same({"usage_vs_baseline": now / usual if usual else None}, end)


@pytest.mark.parametrize("end", MONTHS[1:], ids=str)
def test_lifecycle(played: list[Customer], used: pd.DataFrame, end: date) -> None:
    start = end.replace(day=1)
    counts = dict.fromkeys(("new", "returning", "resurrected", "dormant", "never"), 0)
    for one in _known(played, end):
        frame = _valued(used[used.account == one.name])
        days = sorted({day for day in frame.day if day <= end})
        came_back = any(later >= start and later - earlier > 28 * DAY for earlier, later in pairwise(days))
        if not days:
            counts["never"] += 1
        elif days[-1] <= end - 28 * DAY:
            counts["dormant"] += 1
        elif days[0] >= start:
            counts["new"] += 1
        else:
            counts["resurrected" if came_back else "returning"] += 1
    active = counts["new"] + counts["returning"] + counts["resurrected"]
    expected = {f"accounts_{name}": n for name, n in counts.items() if name != "never"}
    assert_same(expected | {"lifecycle_active_rate": active / (active + counts["dormant"])}, end)


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_first_value(played: list[Customer], used: pd.DataFrame, end: date) -> None:
    waits = []
    for one in played:
        start = one.first_day
        if start is None or not end - YEAR < start <= end or not (one.product_since or one.milestone):
            continue
        days = [*_valued(used[used.account == one.name]).day, one.milestone]
        reached = min((day for day in days if day and day <= end), default=None)
        waits.append({"days": max(((reached or end) - start).days, 0), "is_reached": reached is not None})
    frame = pd.DataFrame(waits)
    in_time = frame[frame.is_reached & (frame.days <= IN_TIME)]
    judged = frame[frame.is_reached & (frame.days <= IN_TIME) | (frame.days > IN_TIME)]
    expected = {
        "time_to_first_value": _kaplan_meier(frame),
        "first_value_in_time": len(in_time) / len(judged),
    }
    assert_same(expected, end)


def _kaplan_meier(frame: pd.DataFrame) -> float | None:
    waiting = 1.0
    for days in sorted(frame.days[frame.is_reached].unique()):
        at_risk = (frame.days >= days).sum()
        waiting *= 1 - (frame.is_reached & (frame.days == days)).sum() / at_risk
        if waiting <= 0.5 + 1e-9:
            return days
    return None


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_trials(played: list[Customer], end: date) -> None:
    start = end.replace(day=1)
    trials = [
        one for one in played if one.product_since and (one.first_day is None or one.product_since < one.first_day)
    ]
    over = [one for one in trials if start <= (one.product_since or end) + TRIAL <= end]
    bought = [one for one in over if one.first_day and one.first_day <= (one.product_since or end) + TRIAL]
    n_started = sum(start <= (one.product_since or end) <= end for one in trials)
    expected = {
        "trials_started": n_started if n_started or over else None,
        "trial_conversion": len(bought) / len(over) if over else None,
    }
    assert_same(expected, end)
