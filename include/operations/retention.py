"""Delete data older than the settings allow, in pieces, and count it.

Each piece is its own transaction, so that others wait only briefly. After a kill, the next run resumes.
"""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from include import config
from include.common import clock, paths
from include.common import home as homes
from include.config.models import Retention
from include.ingest.suppression import ERASED
from include.warehouse.engine import engine

log = logging.getLogger(__name__)
PIECE = 5_000
MOST_PIECES = 200  # per store and run: a million rows
_LOCK = 0x4B45_4550


@dataclass(frozen=True)
class Store:
    """A kind of data with a retention period.

    Args:
        name: The table, or the part of it.
        setting: The setting with the number of days.
        statement: Binds ``:before`` and ``:piece``; deletes or blanks at most ``:piece`` rows, none twice.
    """

    name: str
    setting: str
    statement: str

    @property
    def table(self) -> str:
        return self.name.split()[0]


@dataclass(frozen=True)
class Kept:
    """The result of one run on one store.

    Args:
        days: Its retention in days.
        n_deleted: Number of rows or files deleted or blanked.
        is_complete: Whether nothing old is left.
    """

    store: str
    days: int
    n_deleted: int
    is_complete: bool


def _delete(table: str, key: str, where: str) -> str:
    return f"delete from {table} where {key} in (select {key} from {table} where {where} limit :piece)"  # noqa: S608


_NO_CURSOR = "not exists (select from meta.cursor as c where c.batch_id = b.batch_id)"
STORES = (
    Store(
        "meta.batch",
        "batches",
        "delete from meta.batch where batch_id in (select b.batch_id from meta.batch as b"  # noqa: S608
        " where b.state in ('merged', 'dropped') and not b.is_full and table_name = ''"
        f" and coalesce(b.merged_at, b.closed_at, b.opened_at) < :before and {_NO_CURSOR} limit :piece)",
    ),
    Store("meta.rule_result", "results", _delete("meta.rule_result", "ctid", "checked_at < :before")),
    Store("meta.check_result", "results", _delete("meta.check_result", "ctid", "checked_at < :before")),
    Store(
        "quarantine.record",
        "quarantine",
        _delete(
            "quarantine.record",
            "quarantine_id",
            "state in ('resolved', 'dropped') and coalesce(resolved_at, quarantined_at) < :before",
        ),
    ),
    Store(  # the row stays and still puts its account on hold
        "quarantine.record values",
        "quarantine_values",
        "update quarantine.record set record = null where quarantine_id in ("
        "select quarantine_id from quarantine.record where state in ('open', 'requeued', 'waived')"
        " and quarantined_at < :before and record is not null limit :piece)",
    ),
    Store(  # the keys of what was told stay, so that it is not told again
        "ops.outbox bodies",
        "outbox_bodies",
        "update ops.outbox set body = jsonb_strip_nulls(jsonb_build_object('asks', body -> 'asks')), subject = '',"
        " recipient = '', address = '' where outbox_id in ("
        "select outbox_id from ops.outbox where state in ('sent', 'failed', 'suppressed', 'expired')"
        " and coalesce(resolved_at, planned_at) < :before and body - 'asks' <> '{}' limit :piece)",
    ),
    Store(  # keys and days stay: they cap further lists
        "ops.touch_contact lines",
        "outbox_bodies",
        f"update ops.touch_contact set line = '{ERASED}' where ctid in (select ctid from ops.touch_contact"  # noqa: S608
        f" where day < :before and line <> '{ERASED}' limit :piece)",
    ),
    Store("ops.evaluation", "explanations", _delete("ops.evaluation", "ctid", "day < :before")),
    Store("ops.evaluation_input", "explanations", _delete("ops.evaluation_input", "ctid", "day < :before")),
    Store(
        "meta.former_health_input",
        "score_inputs",
        _delete("meta.former_health_input", "ctid", "known_to < :before"),
    ),
    Store(
        "meta.build",
        "builds",
        "delete from meta.build where build_id in (select build_id from meta.build"
        " where state in ('done', 'superseded') and finished_at < :before"
        " and build_id not like 'backfill/%'"  # the memory of which have run
        " and started_at < (select max(started_at) from meta.build where kind = 'forward' and state = 'done')"
        " limit :piece)",
    ),
    Store(
        "meta.dirty_range",
        "builds",
        _delete("meta.dirty_range", "dirty_id", "built_by is not null and marked_at < :before"),
    ),
    Store("meta.notice", "notices", _delete("meta.notice", "key", "failed_at < :before")),
    Store(
        "meta.incident", "notices", _delete("meta.incident", "incident_id", "state = 'closed' and closed_at < :before")
    ),
    Store("meta.silence", "notices", _delete("meta.silence", "silence_id", "until < :before")),
    Store("quarantine.waiver", "notices", _delete("quarantine.waiver", "waiver_id", "until < :before")),
    Store("meta.housekeeping", "results", _delete("meta.housekeeping", "ctid", "run_at < :before")),
)


def run_housekeeping(dry_run: bool = False, airflow_logs: Path | None = None) -> list[Kept]:
    """Delete old data in every store. Only one run works at a time.

    Args:
        dry_run: Only count, up to one piece per store.
        airflow_logs: Airflow's log folder; by default ``AIRFLOW__LOGGING__BASE_LOG_FOLDER``.

    Returns:
        One entry per store; nothing if another run is working.
    """
    now = clock.now()
    with engine("owner").connect() as holder:
        if not holder.execute(sa.text("select pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
            return []
        try:
            return list(_run(now, dry_run, airflow_logs))
        finally:
            holder.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            holder.rollback()


def _run(now: datetime, dry_run: bool, airflow_logs: Path | None) -> Iterator[Kept]:
    settings = config.load().retention
    for store in STORES:
        days = getattr(settings, store.setting)
        done = _clear(store, days, now, dry_run)
        if not dry_run and done.n_deleted:
            _note(done, now)
        log.info("%s: %d older than %d days%s", store.name, done.n_deleted, days, "" if done.is_complete else ", more")
        yield done
    yield _clear_logs(settings, now, dry_run, airflow_logs)


def _clear(store: Store, days: int, now: datetime, dry_run: bool) -> Kept:
    before = now - timedelta(days=days)
    total = 0
    for _ in range(1 if dry_run else MOST_PIECES):
        with engine("owner").connect() as connection, connection.begin() as transaction:
            number = connection.execute(sa.text(store.statement), {"before": before, "piece": PIECE}).rowcount
            if dry_run:
                transaction.rollback()
        total += number
        if number < PIECE:
            return Kept(store.name, days, total, True)
    return Kept(store.name, days, total, False)


def _note(done: Kept, now: datetime) -> None:
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.housekeeping (run_at, store, n_deleted, is_complete)"
                " values (:now, :store, :n, :complete) on conflict (run_at, store) do update"
                " set n_deleted = housekeeping.n_deleted + excluded.n_deleted, is_complete = excluded.is_complete"
            ),
            {"now": now, "store": done.store, "n": done.n_deleted, "complete": done.is_complete},
        )


def _clear_logs(settings: Retention, now: datetime, dry_run: bool, airflow_logs: Path | None) -> Kept:
    before = now.timestamp() - settings.logs * 86_400
    old = [file for file in _log_files(airflow_logs) if file.stat().st_mtime < before]
    if not dry_run:
        for file in old:
            file.unlink(missing_ok=True)
    return Kept("log files", settings.logs, len(old), True)


def _log_files(airflow: Path | None) -> Iterator[Path]:
    """Return our log files: all below our marked home, and those of our DAGs in Airflow's folder."""
    home = paths.home()
    own = [home / "logs", home / "airflow" / "logs"] if homes.read(home) else []
    named = os.environ.get("AIRFLOW__LOGGING__BASE_LOG_FOLDER")
    theirs = airflow or (Path(named) if named else None)
    if theirs is not None:
        # Airflow's default template: dag_id=…/run_id=…/task_id=…/attempt=….log
        prefix = os.environ.get("PERENNIAL_DAG_PREFIX", "")
        own += [theirs / f"dag_id={prefix}{path.stem}" for path in sorted((paths.ROOT / "dags").glob("*.py"))]
    found = [file for folder in own if folder.is_dir() and folder.resolve() == folder for file in folder.rglob("*.log")]
    if theirs is not None:
        found += [file for file in _logs_of_reading(theirs) if file.parent.resolve() == file.parent]
    seen = set()
    for file in found:
        if file.is_file() and not file.is_symlink() and file.resolve() not in seen:
            seen.add(file.resolve())
            yield file


def _logs_of_reading(airflow: Path) -> Iterator[Path]:
    """Return the dag-processor's logs of our DAG files: dag_processor/DAY/BUNDLE/PATH.log.

    They are identified by the DAG file's path below Airflow's DAG folder. If that is unknown, nothing is returned.
    """
    dags, top = paths.ROOT / "dags", os.environ.get("AIRFLOW__CORE__DAGS_FOLDER")
    if top and dags.is_relative_to(Path(top).resolve()):
        for file in sorted(dags.glob("*.py")):
            name = glob.escape(str(file.relative_to(Path(top).resolve())))
            yield from airflow.glob(f"dag_processor/[0-9]*/*/{name}.log")
