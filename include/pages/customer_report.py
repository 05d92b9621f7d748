"""A customer's usage report: the draft for its CSM to approve, or the approved one to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include import config
from include.common.errors import ConfigError
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.pages import scope
from include.reports.customer import archive, document
from include.reports.customer.archive import Edition
from include.reports.page import Section
from include.warehouse.engine import engine, has_table

_MOST = 50  # drafts on one page


@dataclass(frozen=True)
class CustomerReportPage:
    """One report, or the drafts that wait for the viewer.

    Args:
        newest: The newest edition of its account and period.
        is_agreed: Whether the account gets reports.
    """

    found: Edition | None = None
    newest: Edition | None = None
    is_agreed: bool = False
    sections: Sequence[Section] = ()
    waiting: Sequence[dict[str, Any]] = ()

    @property
    def can_approve(self) -> bool:
        return bool(self.is_agreed and self.found and self.found == self.newest and not self.found.is_approved)

    @property
    def warning(self) -> str:
        text = archive.warning(self.found, self.newest) if self.found and self.newest else ""
        return gettext(text) if text else ""


def read(viewer: Viewer, report_id: int = 0) -> CustomerReportPage:
    """Return one report, or those that wait for the viewer's approval.

    Raises:
        ConfigError: There is no such report, or the viewer may not see its account.
    """
    with engine("reader").connect() as connection:
        if not report_id:
            return CustomerReportPage(waiting=waiting(connection, viewer))
        found = _seen(connection, viewer, report_id)
        newest = archive.newest(connection, [found.account_key], found.period)[found.account_key]
    is_agreed = config.load().customer_report.is_agreed(found.account_key)
    return CustomerReportPage(found, newest, is_agreed, document.shown(found.data, found.next_steps))


def html(viewer: Viewer, report_id: int) -> str:
    """Return the page of a report as it is archived; a draft's with a warning.

    Raises:
        ConfigError: There is no such report, or the viewer may not see its account.
    """
    with engine("reader").connect() as connection:
        return archive.copy(connection, _seen(connection, viewer, report_id))


def approve(viewer: Viewer, login: str, report_id: int, next_steps: str) -> Edition:
    """Approve a draft; ``ops.human_action`` lists it.

    Raises:
        ConfigError: The viewer may not see its account, or it is not the newest draft of its period.
    """
    with engine("reader").connect() as connection:
        _seen(connection, viewer, report_id)
    return archive.approve(report_id, next_steps, by=login)


def waiting(connection: sa.Connection, viewer: Viewer, account: str = "") -> Sequence[dict[str, Any]]:
    """Return the drafts that wait for the viewer, oldest period first. Accounts that opted out have none.

    Args:
        account: The newest report of this account instead, approved or not.
    """
    if not viewer.sees_people or not has_table(connection, "core.account"):
        return ()
    own = config.load().customer_report
    named = {"accounts": [account] if account else scope.accounts(connection, viewer), "all": bool(account)}
    rows = connection.execute(_WAITING, named).mappings()
    return [dict(row) for row in rows if row["approved_by"] or own.is_agreed(row["account_key"])][:_MOST]


def _seen(connection: sa.Connection, viewer: Viewer, report_id: int) -> Edition:
    found = archive.get(connection, report_id) if viewer.sees_people else None
    if found is None or not scope.may_see(connection, viewer, found.account_key):
        raise ConfigError(
            gettext("report {number} is not about one of your accounts", number=report_id),
            cure=gettext("accounts and roles are set in viewers.yaml"),
        )
    return found


_WAITING = sa.text(
    "select r.customer_report_id, r.account_key, a.name, r.period, r.approved_by from ("
    " select distinct on (account_key, period) customer_report_id, account_key, period, approved_by, made_at"
    " from ops.customer_report order by account_key, period, approved_by = '', edition desc"
    ") as r join core.account as a on a.account_key = r.account_key"
    " where (:all or r.approved_by = '')"
    " and (cast(:accounts as text[]) is null or r.account_key = any(cast(:accounts as text[])))"
    " order by case when :all then r.made_at end desc, r.period, a.name, r.customer_report_id"
)
