"""Run the monthly back-test of the health score and store its result."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.models import health
from include.models.health import Profile
from include.scores.health import backtest, checkpoints
from include.scores.health.backtest import Backtest
from include.warehouse import locks
from include.warehouse.engine import engine


def profile_of(name: str = "") -> Profile:
    """Return the newest version of a profile; by default of the one that scores all other accounts.

    Raises:
        ConfigError: There is no profile of that name.
    """
    profiles = health.load().profiles
    name = name or profiles[-1].name
    named = [profile for profile in profiles if profile.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(profile.name for profile in profiles))
        raise ConfigError(f"unknown health profile {name}", cure=f"known: {known}")
    return max(named, key=lambda profile: profile.version)


def run(month: date) -> Backtest:
    """Back-test the score on all settled renewals, and store the result under a month. Repeating it replaces the row.

    Args:
        month: Any day of the month.
    """
    profile = profile_of()
    with engine("reader").connect() as connection:
        found = backtest.judge(checkpoints.read(connection, profile), profile)
    first = month.replace(day=1)
    with engine("builder").begin() as connection:
        summary = {name: value for name, value in asdict(found).items() if name != "judged"}
        named = {**summary, "month": first, "profile": profile.key, "warnings": list(found.warnings)}
        connection.execute(_FORGET, {"month": first})
        connection.execute(_SUMMARY, {**named, "now": locks.now(connection)})
        if found.judged:
            connection.execute(_METHOD, [{**asdict(one), "month": first} for one in found.judged])
    return found


_FORGET = sa.text("delete from meta.health_backtest where month = :month")
_SUMMARY = sa.text(
    "insert into meta.health_backtest (month, profile, n_losses, n_left_out, red_multiple, lost_below_green,"
    " share_green, lead_days, coverage, warnings, judged_at) values (:month, :profile, :n_losses, :n_left_out,"
    " :red_multiple, :lost_below_green, :share_green, :lead_days, :coverage, :warnings, :now)"
)
_METHOD = sa.text(
    "insert into meta.health_backtest_method (month, segment, method, days_before, n, n_lost, auc, low, high, auc_arr,"
    " lift, brier, intercept, slope, ece) values (:month, :segment, :method, :days_before, :n, :n_lost, :auc, :low,"
    " :high, :auc_arr, :lift, :brier, :intercept, :slope, :ece)"
)
