"""Make the reports that are due, archive each edition, and plan its mails, in one transaction per report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from include import config
from include.common import clock, texts
from include.common.errors import ConfigError, PerennialError
from include.config import Settings, files
from include.decide import readiness
from include.decide.context import planned_state
from include.deliver.subjects import REPORT
from include.gate import newest_build
from include.outbox import store
from include.outbox.store import Action
from include.reports import archive, document, figures, periods, spec
from include.reports.archive import Edition
from include.reports.periods import Period
from include.reports.spec import Report
from include.reports.tables import Scope
from include.warehouse import locks
from include.warehouse.engine import engine, has_table

CHANNEL = "email"
# A report that could not be sent for this long is out of date.
USEFUL_DAYS = {"weekly": 7, "monthly": 21}


@dataclass(frozen=True)
class Publication:
    """The result of making one report.

    Args:
        edition: 0 if none was made.
        is_new: False if the content equals the last edition's.
        n_planned: Number of planned mails.
    """

    report: str
    period: str
    edition: int = 0
    report_id: int = 0
    is_new: bool = False
    n_planned: int = 0
    reason: str = ""


def publish(name: str = "", period: str = "") -> list[Publication]:
    """Make reports. If one fails, the others are still made.

    Args:
        name: One report; by default all reports in force.
        period: Its period; by default the last one that is due.

    Raises:
        PerennialError: At least one report failed; raised after the others were made.
    """
    if period and not name:
        raise ConfigError("a period needs a report", cure="name the report before --period")
    settings = config.load()
    if loading := _loading(settings):
        reason = (
            f"the first load of {' and '.join(loading)} is in progress; reports start with the build that follows it"
        )
        return [Publication(one, period, reason=reason) for one in ([name] if name else spec.load())]
    made, errors = [], []
    with files.checked_once():
        for report in [spec.get(name)] if name else list(spec.load().values()):
            try:
                made.append(_publish(report, period, settings))
            except PerennialError as error:
                error.message = f"{report.name}: {error.message}"
                errors.append(error)
    if errors:
        first, *others = errors
        first.message += "".join(f"; and {other.message}" for other in others)
        raise first
    return made


def _loading(settings: Settings) -> list[str]:
    with engine("reader").connect() as connection:
        newest = newest_build.read(connection)
        return readiness.first_loads(connection, settings, newest.watermarks if newest else {})


def _publish(report: Report, requested: str, settings: Settings) -> Publication:
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as reading:
        newest = _newest(reading)
        if newest is None:
            return Publication(report.name, requested, reason="there are no figures yet")
        period = periods.named(report.cadence, requested) if requested else None
        period = period or periods.due(report.cadence, newest, report.wait_days)
        if period.last >= newest:
            raise ConfigError(f"{period.name} is not over", cure=f"wait until it is over; figures go up to {newest}")
        with engine("builder").begin() as connection:
            # Two runs that make the same report would both write its next edition.
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.REPORTS_LOCK})
            last = archive.last(connection, report.name, period.name)
            if last and last.data["spec"] != report.hash and not requested:
                reason = f"its definition has changed; the new one applies from the period after {period.name}"
                return Publication(report.name, period.name, last.edition, last.report_id, reason=reason)
            before = archive.last(connection, report.name, period.before.name)
            accounts = figures.accounts_of(report.regions, reading)
            scope = Scope(reading, settings, period, newest, accounts)
            with texts.reading(report.language or settings.language):
                earlier, previous = last.data if last else None, before.data if before else None
                content = document.make(report, period, scope, earlier, previous)
            if last and document.is_same(content, last.data):
                return Publication(report.name, period.name, last.edition, last.report_id)
            kept = archive.keep(connection, content, document.html(content), report.regions, clock.now())
            actions = _mails(report, period, kept, settings)
            planned = store.plan(connection, actions, f"report {report.name} {period.name} {kept.edition}", clock.now())
        return Publication(report.name, period.name, kept.edition, kept.report_id, True, planned.planned)


def _newest(connection: sa.Connection) -> date | None:
    if not has_table(connection, "marts.account_day"):
        return None
    found: date | None = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
    return found


def _mails(report: Report, period: Period, kept: Edition, settings: Settings) -> list[Action]:
    message = document.message(kept.data, kept.report_id, kept.sha256, settings)
    state, reason = planned_state(settings, CHANNEL)
    return [
        Action(
            channel=CHANNEL,
            entity_kind=REPORT,
            entity_id=f"{report.name}:{period.name}",
            rule=REPORT,
            episode_no=kept.edition,
            step=address.lower(),
            account_key="",
            recipient=address,
            subject=message.subject,
            body=message.model_dump(mode="json"),
            reads=(),  # The report is sent even if data is on hold: its section says so.
            not_after=kept.made_at + timedelta(days=USEFUL_DAYS[report.cadence]),
            version=f"{report.name} {report.hash}",
            state=state,
            reason=reason,
        )
        for address in spec.addresses(report, settings.people)
    ]
