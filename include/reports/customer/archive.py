"""The archive of customers' reports, ``ops.customer_report``. Rows are only added: a correction and the approval of a
draft are new editions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from include import config
from include.common import clock
from include.common.errors import ConfigError
from include.reports.customer import document
from include.warehouse.engine import engine

LONGEST = 2000  # characters of the CSM's next steps


@dataclass(frozen=True)
class Edition:
    """One edition of a customer's report.

    Args:
        sha256: Hash of the page.
        approved_by: Who approved it; "" for a draft.
        next_steps: What they wrote.
        html, data: The page and its content; empty in listings.
    """

    customer_report_id: int
    account_key: str
    period: str
    edition: int
    sha256: str
    made_at: datetime
    approved_by: str = ""
    next_steps: str = ""
    html: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_approved(self) -> bool:
        return bool(self.approved_by)


def keep(connection: sa.Connection, editions: Sequence[tuple[str, str, int, document.Document]], now: datetime) -> None:
    """Store drafts: account, period, edition and content of each."""
    if editions:
        rows = [_row(account, period, edition, data, now) for account, period, edition, data in editions]
        connection.execute(_KEEP, rows)


def approve(report_id: int, next_steps: str, *, by: str) -> Edition:
    """Approve a draft: keep it as the next and last edition of its period, with the CSM's next steps.

    Raises:
        ConfigError: There is no such report, it is approved already, a newer edition exists, the account opted
            out, or the text is too long.
    """
    next_steps = next_steps.replace("\r\n", "\n").strip()
    if len(next_steps) > LONGEST:
        raise ConfigError(f"the next steps have {len(next_steps)} characters", cure=f"write at most {LONGEST}")
    with engine("editor").begin() as connection:
        draft = get(connection, report_id)
        if not config.load().customer_report.is_agreed(draft.account_key):
            cure = "see consent, opted_in and opted_out in customer_report.yaml"
            raise ConfigError(f"{draft.account_key} has not agreed to get a report", cure=cure)
        row = _row(draft.account_key, draft.period, draft.edition + 1, draft.data, clock.now(), next_steps, by)
        # A correction or another approval at this moment takes the same number: only one of them is kept.
        is_kept = not draft.is_approved and connection.execute(_KEEP, row).rowcount == 1
        last = newest(connection, [draft.account_key], draft.period)[draft.account_key]
        if not is_kept and last.is_approved:
            raise ConfigError(f"the report of {draft.account_key} for {draft.period} is approved already")
        if not is_kept:
            cure = f"read and approve its newest edition, {last.customer_report_id}"
            raise ConfigError(f"report {report_id} has been corrected since", cure=cure)
        return last


def get(connection: sa.Connection, report_id: int) -> Edition:
    """Return one edition with its page.

    Raises:
        ConfigError: There is no edition with this id.
    """
    row = connection.execute(_GET, {"id": report_id}).mappings().one_or_none()
    if row is None:
        raise ConfigError(f"there is no customer report {report_id}", cure="`report customer list` shows them")
    return Edition(**row)


def newest(connection: sa.Connection, accounts: Sequence[str], period: str) -> dict[str, Edition]:
    """Return the newest edition of each account in a period, with its content: the approved one, if there is one."""
    rows = connection.execute(_NEWEST, {"accounts": list(accounts), "period": period}).mappings()
    return {row["account_key"]: Edition(**row) for row in rows}


def warning(found: Edition, last: Edition) -> str:
    """Return the warning on an edition, given the newest of its period; "" for the approved one."""
    if found.is_approved:
        return ""
    return document.DRAFT if found.customer_report_id == last.customer_report_id else document.REPLACED


def copy(connection: sa.Connection, found: Edition) -> str:
    """Return the page of an edition: the approved one as it is archived, a draft with its warning."""
    if found.is_approved:
        return found.html
    last = newest(connection, [found.account_key], found.period)[found.account_key]
    return document.html(found.data, warning=warning(found, last))


def states(connection: sa.Connection, period: str) -> dict[str, bool]:
    """Return the accounts with a report for a period, and whether it is approved."""
    return dict(connection.execute(_STATES, {"period": period}).tuples().all())


def listing(connection: sa.Connection, accounts: Sequence[str] | None = None, most: int = 200) -> list[Edition]:
    """Return editions without their content, newest first.

    Args:
        accounts: Only those of these accounts; None for all.
    """
    named = {"accounts": None if accounts is None else list(accounts), "most": most}
    return [Edition(**row) for row in connection.execute(_LIST, named).mappings()]


def _row(
    account_key: str, period: str, edition: int, data: document.Document, now: datetime, next_steps: str = "",
    approved_by: str = "",
) -> dict[str, Any]:  # fmt: skip
    html = document.html(data, next_steps)
    return {
        "account_key": account_key, "period": period, "edition": edition, "html": html, "made_at": now,
        "sha256": hashlib.sha256(html.encode()).hexdigest(), "data": orjson.dumps(data).decode(),
        "next_steps": next_steps, "approved_by": approved_by,
    }  # fmt: skip


_NAMES = "customer_report_id, account_key, period, edition, sha256, made_at, approved_by, next_steps"
_KEEP = sa.text(
    "insert into ops.customer_report"
    " (account_key, period, edition, sha256, html, data, next_steps, approved_by, made_at) values (:account_key,"
    " :period, :edition, :sha256, :html, cast(:data as jsonb), :next_steps, :approved_by, :made_at)"
    " on conflict do nothing"  # of the edition, or of a second approval of the period
)
_GET = sa.text(f"select {_NAMES}, html, data from ops.customer_report where customer_report_id = :id")  # noqa: S608
_NEWEST = sa.text(
    f"select distinct on (account_key) {_NAMES}, html, data from ops.customer_report"  # noqa: S608
    " where period = :period and account_key = any(:accounts) order by account_key, approved_by = '', edition desc"
)
_STATES = sa.text(
    "select account_key, bool_or(approved_by <> '') from ops.customer_report where period = :period"
    " group by account_key"
)
_LIST = sa.text(
    f"select {_NAMES} from ops.customer_report"  # noqa: S608
    " where cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[]))"
    " order by customer_report_id desc limit :most"
)
