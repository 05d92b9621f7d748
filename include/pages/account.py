"""One account with all that is known of it: for its CSM and lead, since it names people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from include.common.errors import ConfigError
from include.config.viewers import Viewer
from include.pages import health, judge, scope
from include.reports import brief
from include.reports.brief import Account, Brief
from include.scores.health import explanation
from include.scores.health.explanation import Explanation
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Asked:
    """What was asked for, and what the page shows.

    Args:
        score: Its health explained; None where it has no score.
        may: What the viewer may enter: pulse, override, lift.
        line: Points of its scores of 90 days, as an SVG polyline has them.
    """

    account: str = ""
    found: Account | None = None
    score: Explanation | None = None
    may: tuple[str, ...] = ()
    line: str = ""
    first: date | None = None
    message: str = ""


def read(viewer: Viewer, account: str = "") -> Asked:
    """Return what the page shows."""
    account = account.strip()
    if not account:
        return Asked()
    if not viewer.sees_people:
        return Asked(account, message="Your role does not show single accounts. viewers.yaml gives roles.")
    with engine("reader").connect() as connection:
        if not scope.may_see(connection, viewer, account):
            return Asked(account, message=f"{account} is none of your accounts.")
    try:
        found = brief.of_account(account)
    except ConfigError as error:
        return Asked(account, message=f"{error.message} ({error.cure})" if error.cure else error.message)
    try:
        score = explanation.of_day(account, found.as_of)
    except ConfigError:
        return Asked(account, found)
    line, first = health.line(account, found.as_of)
    return Asked(account, found, score, judge.MAY.get(viewer.role, ()), line, first)


def read_brief(viewer: Viewer, account: str, renewal: str) -> Brief:
    """Return the brief of an account's renewal.

    Raises:
        ConfigError: The viewer may not see the account, or there is no such renewal.
    """
    with engine("reader").connect() as connection:
        if not viewer.sees_people or not scope.may_see(connection, viewer, account):
            raise ConfigError(f"{account} is none of your accounts", cure="viewers.yaml gives roles")
    return brief.read(account.strip(), renewal.strip())
