"""Build the SQL models: plan, build each model in one transaction, finish.

A forward build follows the newest data. The first one fills all tables in one wide window. With each new day, a build
rebuilds that day and the day before (only now complete) for all accounts. In between, builds rebuild only what changed.
A rebuild recomputes a given window for all accounts and never moves the newest day. Both rebuild a whole table when its
query or parameters changed, and propagate differing rows to every day they can alter. Every step may be killed and
repeated under the same build_id.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from include import config
from include.common import clock
from include.common.errors import ContractError, Unavailable, WarehouseError
from include.config import files
from include.continuation import answers
from include.identity import store
from include.models import (
    build_store,
    fingerprints,
    increments,
    materialize,
    model_state,
    pending_changes,
    query_errors,
    registry,
    restatements,
    settings_tables,
    tables,
    unread,
)
from include.models.build_store import SETTLED, Built, Checked, Finished
from include.models.increments import DAY, Build, Piece, Range
from include.models.registry import Model
from include.models.sql_files import Check
from include.warehouse import locks
from include.warehouse.engine import engine

Kind = Literal["forward", "rebuild"]
# For a subquery PostgreSQL estimates one row. It then runs the other side once for each of thousands of rows, or merges
# by one of several columns and compares all rows that agree in it. A hash join uses all columns, whatever the estimate.
# With 2,000 accounts it builds the models 1.1 times faster for an account and a day, 14 times for 20 and 800 days.
HASH_JOINS = "set local enable_nestloop = off; set local enable_mergejoin = off"
# A model of a large warehouse may take minutes, and another build waits for the lock instead of failing. Custom plans:
# after five executions PostgreSQL would reuse a plan that does not fit the days of the next piece. A hash may take
# twice ``work_mem``.
_SESSION = (
    "set local lock_timeout = '20min'; set local work_mem = '64MB'; set local jit = off;"
    f" set local plan_cache_mode = force_custom_plan; {HASH_JOINS}"
)
_SHOWN = 5
_PLANNING = "select pg_advisory_xact_lock(hashtext('perennial.build.plan'))"


@dataclass(frozen=True)
class Plan:
    """Whether a build is needed. A plan is true if it is.

    Args:
        reason: Why, or why not.
        start: First day of its window; None if no build is needed.
        end: Day after the last.
    """

    needed: bool
    reason: str
    start: date | None = None
    end: date | None = None

    def __bool__(self) -> bool:
        return self.needed


@files.checked_once()
def plan(
    build_id: str,
    kind: Kind = "forward",
    start: date | None = None,
    end: date | None = None,
    known_at: datetime | None = None,
) -> Plan:
    """Decide whether a build is needed, and record the changes that it claims.

    Args:
        build_id: Name of the build. A build that was planned before is resumed.
        kind: ``forward``, or ``rebuild`` of a window.
        start: First day to rebuild.
        end: Day after the last day to rebuild.
        known_at: The build ignores facts that became known later. The default is now.

    Raises:
        ConfigError: A setting or a model's file is wrong.
        WarehouseError: A rebuild has no days.
    """
    from include.warehouse import raw_tables

    raw_tables.ensure_raw_tables()
    with engine("builder").begin() as connection:
        connection.execute(sa.text(_PLANNING))
        before = build_store.find(connection, build_id)
        if before:
            return _resume(connection, before)
        if kind == "forward":
            store.sync_answers(connection)
            answers.sync(connection)
        known = known_at or locks.settled_at(connection)
        frontier = build_store.frontier(connection)
        changes: list[unread.Change] = []
        if kind == "forward":
            newest = _newest(connection, frontier)
            changes = settings_tables.sync(connection) + unread.sync(connection, newest)
            found = _plan_forward(connection, frontier, newest, changes)
        else:
            found = _plan_rebuild(frontier, start, end)
        if isinstance(found, Plan):
            if kind == "forward" and frontier and known_at is None:
                build_store.advance_watermarks(connection, frontier.build_id)
            return found
        if kind == "rebuild":  # only a planned rebuild may claim setting changes, since it must carry them
            changes = settings_tables.sync(connection)
        trigger, window, newest, reason = found
        first_day = frontier.first_day if frontier else window.start
        build = Build(build_id, kind, "running", trigger, window, newest, first_day, known)
        build_store.insert(connection, build, reason)
        pending_changes.claim(connection, build)
        unread.record(connection, build_id, changes)
        return Plan(True, reason, *window)


@files.checked_once()
def build_model(build_id: str, name: str) -> Built:
    """Build one model in one transaction, checks included. Do nothing if this build has already built it.

    Raises:
        ContractError: A check of severity fail found rows, or the query returned two rows with one key. The table stays
            as it was.
        ConfigError: The model's files are wrong.
        Unavailable: A check found rows while another build is in the middle of the upstream tables.
    """
    model = registry.get(name)
    while (built := _build(build_id, model)) is None:
        _create_partitions(build_id, model)
    return built


def _build(build_id: str, model: Model) -> Built | None:
    """Build a model. Return None, with nothing changed, if its table lacks the partition of the newest day."""
    name = model.name
    began = time.monotonic()
    with engine("builder").connect() as connection, connection.begin() as transaction:
        _lock(connection, name)
        state = model_state.read(connection, build_id, model)
        build = state.build
        if state.done or build.state in SETTLED:
            return state.done or Built(name, 0, 0, 0.0, build.state, "")
        if state.lacks_month:
            return None
        is_new = tables.prepare(connection, model, state.table)
        redefined = fingerprints.of(model).difference(state.fingerprint)
        work = increments.work(connection, build, model, is_new=is_new, redefined=redefined)
        pieces = work.pieces
        if is_new:
            materialize.partition(connection, model, *build.all_days)
        parameters = parameters_of(build, model)
        if name == restatements.TABLE:
            restatements.check_definitions(connection)
        replaced = materialize.replace(connection, build_id, model, pieces, parameters, is_new=is_new)
        if model.metadata.materialisation == "frozen":
            build_store.record_frozen(connection, name, build.newest_day)
        checked = _check(connection, model, pieces, parameters)
        failed = [check for check in checked if check.severity == "fail" and check.n_bad]
        if not failed:
            if name == "core.account_bridge":
                pending_changes.resolve_dirty(connection, build)
            warnings = tuple(check for check in checked if check.n_bad)
            if is_new or redefined:
                fingerprints.record(connection, build_id, model, redefined)
            seconds = round(time.monotonic() - began, 3)
            reason = work.reason if pieces else ""
            built = Built(name, replaced.n_rows, replaced.n_changed, seconds, _describe(pieces), reason, warnings)
            build_store.record(connection, build_id, built, checked)
            return built
        transaction.rollback()
    with engine("builder").begin() as connection:
        if pending_changes.is_another_in_progress(connection, build_id):
            raise Unavailable(
                f"{name}: check {failed[0].name} found rows while another build is rebuilding its upstream tables",
                cure="run again when that build has finished",
            )
    build_store.record_failure(build_id, name, checked)
    first = failed[0]
    raise ContractError(
        f"{name}: check {first.name} found {first.n_bad} rows: {first.meaning}{_first_rows(first)}",
        cure=f"the table was not changed; see sql/{model.folder}/checks.sql and build again",
    )


def check_model(build_id: str, name: str) -> tuple[Checked, ...]:
    """Run a model's checks on its whole table without changing anything."""
    model = registry.get(name)
    with engine("reader").begin() as connection:
        build = build_store.with_newest(connection, build_id)
        return _check(connection, model, [Piece(*build.all_days)], parameters_of(build, model))


def finish(build_id: str) -> Finished:
    """Finish a build once all its models are built. Only this marks its dirty ranges as built.

    Raises:
        WarehouseError: A model is not built yet.
    """
    with engine("builder").begin() as connection:
        connection.execute(sa.text(_PLANNING))
        build = build_store.get(connection, build_id)
        if build.state not in SETTLED:
            missing = sorted(set(registry.names()) - build_store.done_models(connection, build_id))
            if missing:
                raise WarehouseError(
                    f"build {build_id} cannot be finished: {', '.join(missing[:5])} not built",
                    cure="build these models first",
                )
            if build.kind == "forward":
                _thin(connection, build)
            pending_changes.close(connection, build_id)
            build_store.set_state(connection, build_id, "done")
        return build_store.summary(connection, build)


@files.checked_once()
def run(
    build_id: str,
    kind: Kind = "forward",
    start: date | None = None,
    end: date | None = None,
    known_at: datetime | None = None,
) -> Plan | Finished:
    """Plan a build and, if it is needed, build all models in order and finish.

    Returns:
        The plan if no build is needed, else a summary of the build.
    """
    planned = plan(build_id, kind, start, end, known_at)
    if not planned:
        return planned
    for name in registry.names():
        build_model(build_id, name)
    return finish(build_id)


_Found = tuple[str, Range, date, str]


def _plan_rebuild(frontier: Build | None, start: date | None, end: date | None) -> Plan | _Found:
    if frontier is None:
        return Plan(False, "nothing is built yet: run a forward build first")
    if start is None or end is None:
        raise WarehouseError("a rebuild needs a start and an end (exclusive)", cure="give both days")
    built = frontier.all_days
    window = Range(max(start, built.start), min(end, built.end))
    if window.start >= window.end:
        return Plan(False, f"{start} to {end} is outside the built days, {built.start} to {built.end}")
    return "rebuild", window, frontier.newest_day, f"rebuild of {window.start} to {window.end - DAY}"


def _newest(connection: sa.Connection, frontier: Build | None) -> date:
    """Return the day that counts as today. It never moves back, even if the clock does."""
    today = clock.day_in(config.load().reporting_zone, locks.now(connection))
    return max(today, frontier.newest_day) if frontier else today


def _plan_forward(
    connection: sa.Connection, frontier: Build | None, newest: date, changes: list[unread.Change]
) -> Plan | _Found:
    if frontier is None:
        waiting = pending_changes.waiting_for(connection)
        if waiting:
            return Plan(False, f"the first build waits for the first read of {', '.join(waiting)}")
        months = newest.year * 12 + newest.month - 1 - config.load().history_start_months
        first_day = date(months // 12, months % 12 + 1, 1)
        return "first", Range(first_day, newest + DAY), newest, "first build"
    redefined = _shortened([f"{name}: {change}" for name, change in fingerprints.changes(connection).items()])
    reasons = [redefined, *dict.fromkeys(change.reason for change in changes)]
    if newest > frontier.newest_day:
        why = "; ".join(filter(None, (f"new day: {newest}", *reasons)))
        return "day", Range(frontier.newest_day, newest + DAY), newest, why
    why = "; ".join(filter(None, (*reasons, pending_changes.open_work(connection, registry.names()))))
    window = Range(newest, newest + DAY)
    return ("work", window, newest, why) if why else Plan(False, "nothing changed since the last build")


def _resume(connection: sa.Connection, build: Build) -> Plan:
    if build.state in SETTLED:
        return Plan(False, f"build {build.build_id} is {build.state}")
    build_store.set_state(connection, build.build_id, "running")
    return Plan(True, f"build {build.build_id} resumed", *build.window)


def _create_partitions(build_id: str, model: Model) -> None:
    """Create missing months in a short transaction of their own, since this locks readers out."""
    with engine("builder").begin() as connection:
        _lock(connection, model.name)
        build = build_store.with_newest(connection, build_id)
        materialize.partition(connection, model, *build.all_days)


def _lock(connection: sa.Connection, name: str) -> None:
    longest = f"set local statement_timeout = '{config.load().build_timeout_minutes}min'"
    connection.exec_driver_sql(
        f"{_SESSION}; {longest}; select pg_advisory_xact_lock(hashtext('perennial.build.{name}'))"
    )


def parameters_of(build: Build, model: Model) -> dict[str, object]:
    """Return the parameters of a model's query and checks in a build, without those of each piece."""
    return {
        **settings_tables.parameters(),
        "known_at": build.known_at,
        "newest": build.newest_day,
        "daily_days": model.metadata.daily_days,
    }


def _check(
    connection: sa.Connection, model: Model, pieces: list[Piece], parameters: dict[str, object]
) -> tuple[Checked, ...]:
    if not pieces:
        return ()
    everyone = any(piece.accounts is None for piece in pieces)
    named = sorted({key for piece in pieces for key in piece.accounts or ()})
    whole = Piece(
        min(piece.start for piece in pieces),
        max(piece.end for piece in pieces),
        None if everyone else tuple(named),
    )
    bound = {**parameters, **materialize.bounds(whole)}
    return tuple(_run_check(connection, model, check, bound) for check in model.checks)


def _run_check(connection: sa.Connection, model: Model, check: Check, bound: dict[str, object]) -> Checked:
    query = f"from (\n{check.query}\n) as q"
    try:
        n_bad = materialize.execute(connection, f"select count(*) {query}", bound).scalar() or 0
        if not n_bad or check.severity != "fail":
            return Checked(check.name, check.severity, n_bad, check.meaning)
        found = materialize.execute(connection, f"select * {query} limit {_SHOWN}", bound).mappings().all()
    except sa.exc.DBAPIError as error:
        raise query_errors.readable(model, error, check.name) from None
    # Keys only: other columns may hold names or addresses, and more people read logs than tables.
    keys = [name for name in model.metadata.unique_key if model.metadata.columns[name].sensitivity != "personal"]
    shown = tuple(", ".join(f"{key} {row[key]}" for key in keys if key in row) for row in found)
    return Checked(check.name, check.severity, n_bad, check.meaning, tuple(filter(None, shown)))


def _first_rows(check: Checked) -> str:
    return f" First: {'; '.join(check.first)}" if check.first else ""


def _describe(pieces: list[Piece]) -> str:
    parts = []
    for piece in pieces:
        who = "all accounts" if piece.accounts is None else f"{len(piece.accounts)} accounts"
        parts.append(f"{who}, {piece.start} to {piece.end - DAY}")
    return _shortened(parts) or "nothing"


def _shortened(parts: list[str]) -> str:
    return "; ".join(parts[:_SHOWN] + ([f"{len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else []))


def _thin(connection: sa.Connection, build: Build) -> None:
    """Thin out the days that have become older than a table's ``daily_days``: keep only month ends."""
    before = build_store.frontier(connection)
    since = before.newest_day if before else build.first_day
    for model in registry.load().values():
        days = timedelta(days=model.metadata.daily_days)
        if days and since < build.newest_day:
            materialize.thin(connection, model, since - days, build.newest_day - days)
