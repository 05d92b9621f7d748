"""The Account page: the full profile of one account. It names people, so only the account's CSM and lead see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from include.common.errors import ConfigError
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.decide.explain import unsent as why_unsent
from include.decide.explain.unsent import Unsent
from include.pages import customer_report, entries, health, scope
from include.reports import brief
from include.reports.brief import Account, Brief
from include.scores.health import explanation
from include.scores.health.explanation import Explanation
from include.warehouse.engine import engine

_SHOWN = 20


@dataclass(frozen=True)
class AccountPage:
    """The requested account, and the content of the page.

    Args:
        score: Its health score explained; None without a score.
        actions: What the viewer may enter: pulse, override, lift.
        line: Its scores of the last 90 days, as the points of an SVG polyline.
        report: Its newest usage report; None without any.
        unsent: What nobody was told about it lately, and why.
    """

    account: str = ""
    found: Account | None = None
    score: Explanation | None = None
    actions: tuple[str, ...] = ()
    line: str = ""
    first: date | None = None
    message: str = ""
    report: Mapping[str, Any] | None = None
    unsent: Sequence[Unsent] = ()


def read(viewer: Viewer, account: str = "") -> AccountPage:
    account = account.strip()
    if not account:
        return AccountPage()
    if not viewer.sees_people:
        return AccountPage(
            account, message=gettext("Your role cannot see single accounts. Roles are set in viewers.yaml.")
        )
    with engine("reader").connect() as connection:
        account, refusal = scope.named(connection, viewer, account)
        if refusal:
            return AccountPage(account, message=refusal)
        report = next(iter(customer_report.waiting(connection, viewer, account)), None)
    try:
        found = brief.of_account(account)
    except ConfigError as error:
        return AccountPage(account, message=f"{error.message} ({error.cure})" if error.cure else error.message)
    with engine("reader").connect() as connection:
        unsent = why_unsent.read(connection, [account], _SHOWN)
    try:
        score = explanation.of_day(account, found.as_of)
    except ConfigError:
        return AccountPage(account, found, report=report, unsent=unsent)
    line, first = health.line(account, found.as_of)
    return AccountPage(
        account, found, score, entries.ACTIONS.get(viewer.role, ()), line, first, report=report, unsent=unsent
    )


def read_brief(viewer: Viewer, account: str, renewal: str) -> Brief:
    """Return the brief of an account's renewal.

    Raises:
        ConfigError: The viewer may not see the account, or there is no such renewal.
    """
    with engine("reader").connect() as connection:
        if not viewer.sees_people or not scope.may_see(connection, viewer, account):
            raise ConfigError(
                f"{account} is not one of your accounts", cure="accounts and roles are set in viewers.yaml"
            )
    return brief.read(account.strip(), renewal.strip())
