"""The Why not? page: why a signal or playbook did or did not open for an account. It names no people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from include.common.errors import ConfigError
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.decide.explain import read as decisions
from include.decide.explain.read import Explanation
from include.pages import scope
from include.warehouse.engine import engine


@dataclass(frozen=True)
class WhyPage:
    """The form and its answer.

    Args:
        account: The requested account.
        day: The requested day; "" for the last decision.
        signal: The requested rule; "" for all.
        found: The answer; None if nothing was requested or nothing is known.
        message: Why there is no answer; "" if nothing was requested.
    """

    account: str = ""
    day: str = ""
    signal: str = ""
    found: Explanation | None = None
    message: str = ""


def read(viewer: Viewer, account: str = "", day: str = "", signal: str = "") -> WhyPage:
    account, signal = account.strip(), signal.strip()
    if not account:
        return WhyPage(account, day, signal)
    with engine("reader").connect() as connection:
        account, refusal = scope.named(connection, viewer, account)
    if refusal:
        return WhyPage(account, "", signal, message=refusal)
    try:
        on = date.fromisoformat(day) if day else None
    except ValueError:
        return WhyPage(account, "", signal, message=gettext("That is not a date. Write it as 2026-11-23."))
    try:
        return WhyPage(account, day, signal, decisions.explain(account, signal, on))
    except ConfigError as error:
        return WhyPage(account, day, signal, message=f"{error.message} ({error.cure})" if error.cure else error.message)
