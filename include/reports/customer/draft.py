"""Draft the customers' reports that are due, and plan the CRM tasks in which CSMs send the approved ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from markupsafe import escape

from include import config
from include.common import clock, texts, working_days
from include.common.errors import ConfigError, PerennialError
from include.common.texts import gettext
from include.config import Settings, files
from include.decide import alert_tasks, readiness
from include.decide.context import planned_state
from include.decide.recipients import Owner, calendar_of, recipient
from include.gate import availability, newest_build
from include.outbox import links, store
from include.outbox.store import Action
from include.reports import periods
from include.reports.customer import archive, document, facts
from include.reports.periods import Period
from include.warehouse import locks
from include.warehouse.engine import engine

KIND = RULE = "customer_report"
STEP = "send"
DUE_IN = 3  # working days
MOST_NAMED = 10  # failed accounts that an error names
USEFUL_DAYS = 14  # days after the approval within which its task is still written


@dataclass(frozen=True)
class Drafted:
    """The result of a run.

    Args:
        n_customers: Customers that get a report.
        n_without_consent: Customers that do not, because they opted out or have not agreed.
        n_new, n_corrected: Drafts that were made, and corrected editions of drafts.
        n_tasks: CRM tasks that were planned for approved reports.
    """

    period: str = ""
    n_customers: int = 0
    n_without_consent: int = 0
    n_new: int = 0
    n_corrected: int = 0
    n_tasks: int = 0
    reason: str = ""


def draft(period: str = "", account: str = "") -> Drafted:
    """Draft the reports of a period: new ones, and corrected editions of drafts whose figures have changed.

    Corrections are looked for once per day; always for a named account. An approved report is never made again.

    Args:
        period: Such as 2026-11 or 2026Q3; by default the last one that is due.
        account: Only this account.

    Raises:
        ConfigError: The period is not over, or the account is no customer then or has not agreed.
        PerennialError: The report of at least one account failed; raised after the others were drafted.
    """
    settings = config.load()
    own = settings.customer_report
    if own.cadence == "never":
        return Drafted(reason="cadence is never in customer_report.yaml")
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as reading:
        newest = newest_build.read(reading)
        if newest is None:
            return Drafted(reason="there are no figures yet")
        if loading := readiness.first_loads(reading, settings, newest.watermarks):
            return Drafted(reason=f"the first load of {' and '.join(loading)} is in progress")
        made = document.named(period) if period else periods.due(own.cadence, newest.newest_day, own.wait_days)
        if made.last >= newest.newest_day:
            cure = f"wait until it is over; figures go up to {newest.newest_day}"
            raise ConfigError(f"{made.name} is not over", cure=cure)
        found = facts.accounts(reading, made, [account] if account else None)
        agreed = [row for row in found if own.is_agreed(row["account_key"])]
        if account and not agreed:
            cure = "see consent, opted_in and opted_out in customer_report.yaml" if found else f"look at {made.last}"
            why = "has not agreed to get a report" if found else f"is not a customer at the end of {made.name}"
            raise ConfigError(f"{account} {why}", cure=cure)
        with engine("builder").begin() as connection, files.checked_once():
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.REPORTS_LOCK})
            is_again = bool(account) or _is_first(connection, made, newest.newest_day)
            n_new, n_corrected, failed = _keep(reading, connection, made, agreed, settings, is_again)
            if not account and not failed:  # after a failure, the next run compares again
                connection.execute(_COMPARED, {"period": made.name, "day": newest.newest_day})
            n_tasks = _plan(reading, connection, settings)
    if failed:
        why = "; and ".join(
            f"{key}: {type(error).__name__}: {error}" for key, error in list(failed.items())[:MOST_NAMED]
        )
        why += f"; and {len(failed) - MOST_NAMED} others" if len(failed) > MOST_NAMED else ""
        cure = "all other reports are drafted; the log has the cause"
        raise PerennialError(f"no report of {why}", cure=cure) from next(iter(failed.values()))
    return Drafted(made.name, len(agreed), len(found) - len(agreed), n_new, n_corrected, n_tasks)


def _is_first(connection: sa.Connection, period: Period, day: date) -> bool:
    """Return whether drafts are compared with the figures in this run: once per period and day."""
    return connection.execute(_IS_COMPARED, {"period": period.name, "day": day}).one_or_none() is None


def _keep(
    reading: sa.Connection,
    connection: sa.Connection,
    period: Period,
    accounts: Sequence[facts.Row],
    settings: Settings,
    is_again: bool,
) -> tuple[int, int, dict[str, Exception]]:
    """Return the numbers of new and corrected drafts, and the accounts whose report failed."""
    failed: dict[str, Exception] = {}
    own, lacks = settings.customer_report, _lacks()
    approved = archive.states(connection, period.name)
    wanted = [row for row in accounts if _is_wanted(approved.get(row["account_key"]), is_again)]
    n_new = n_corrected = 0
    for some in facts.read(reading, period, wanted, own, lacks):
        there = archive.newest(connection, [one.account["account_key"] for one in some], period.name)
        editions = []
        for one in some:
            key = one.account["account_key"]
            try:
                with texts.reading(_language(one.account, settings)):
                    content = document.make(one, period, own, lacks)
            except Exception as error:  # the other customers still get theirs; raised at the end
                failed[key] = error
                continue
            last = there.get(key)
            # A CSM may have approved it since the run began.
            if last is None or (not last.is_approved and last.data != content):
                editions.append((key, period.name, last.edition + 1 if last else 1, content))
                n_new, n_corrected = n_new + (last is None), n_corrected + (last is not None)
        archive.keep(connection, editions, clock.now())
    return n_new, n_corrected, failed


def _is_wanted(is_approved: bool | None, is_again: bool) -> bool:
    return is_approved is None or (is_again and not is_approved)


def _language(account: facts.Row, settings: Settings) -> str:
    by_region = settings.customer_report.languages.get(account["region"] or "")
    return texts.named(account["language"]) or by_region or settings.language


def _lacks() -> list[str]:
    there = availability.available("crm") | availability.available("support")
    return [entity for entity in ("objective", "ticket") if entity not in there]


def _plan(reading: sa.Connection, connection: sa.Connection, settings: Settings) -> int:
    """Plan a CRM task for each approved report, in which its CSM sends it. Each is planned once.

    An account that opted out after the approval gets none.
    """
    since = clock.now() - timedelta(days=USEFUL_DAYS)
    rows = connection.execute(_APPROVED, {"since": since}).mappings()
    approved = [dict(row) for row in rows if settings.customer_report.is_agreed(row["account_key"])]
    people = {"accounts": [row["account_key"] for row in approved]}
    owners = {row["account_key"]: row for row in reading.execute(_OWNERS, people).mappings()} if approved else {}
    actions = [_task(row, owners[row["account_key"]], settings) for row in approved if row["account_key"] in owners]
    return store.plan(connection, actions, "customer reports", clock.now()).planned


def _task(report: dict[str, Any], owned: Any, settings: Settings) -> Action:
    owner = Owner(*(owned[name] for name in Owner.__dataclass_fields__))
    to = recipient(owner, "csm", settings.people)
    where = calendar_of(owned["region"], settings)
    due_on = working_days.due_date(clock.day_in(where.zone), DUE_IN, working_days.calendar(where.country))
    state, reason = planned_state(settings, alert_tasks.CHANNEL)
    with texts.reading(settings.language_of(to.email)):
        period = document.named(report["period"]).label
        subject = gettext("{customer}: send the usage report for {period}", customer=owned["name"], period=period)
        lines = [to.note, gettext("The report is approved. Send it to the customer as PDF, and talk about it.")]
        lines += [f"{one.label}: {one.url}" for one in links.customer_report(settings, report["customer_report_id"])]
    return Action(
        channel=alert_tasks.CHANNEL,
        entity_kind=KIND,
        entity_id=f"{report['account_key']}:{report['period']}",
        rule=RULE,
        episode_no=1,
        step=STEP,
        account_key=report["account_key"],
        owner_key=to.owner_key,
        recipient=to.email,
        subject=subject,
        body={
            "subject": subject,
            "html": "<br>\n".join(escape(line) for line in lines if line),
            **alert_tasks.due(due_on, where.zone),
            "priority": "MEDIUM",
            "company_id": owned["crm_account_id"],
            "owner_id": to.owner_id,
        },
        reads=(),  # the report is approved as it is
        not_after=report["made_at"] + timedelta(days=USEFUL_DAYS),
        version=f"{RULE} {report['sha256'][:12]}",
        state=state,
        reason=reason,
    )


_IS_COMPARED = sa.text("select from ops.customer_report_run where period = :period and compared_on >= :day")
_COMPARED = sa.text(
    "insert into ops.customer_report_run as run (period, compared_on) values (:period, :day)"
    " on conflict (period) do update set compared_on = greatest(run.compared_on, excluded.compared_on)"
)
_APPROVED = sa.text(
    "select customer_report_id, account_key, period, sha256, made_at from ops.customer_report"
    " where approved_by <> '' and made_at > :since order by customer_report_id"
)
_OWNERS = sa.text(
    "select a.account_key, a.name, a.region, a.crm_account_id, a.owner_key, o.name as owner_name,"
    " o.email as owner_email, o.team as owner_team, o.is_active as owner_is_active from core.account as a"
    " left join core.owner as o on o.owner_key = a.owner_key"
    " where a.account_key = any(:accounts) and not a.is_deleted and not a.is_excluded"
)
