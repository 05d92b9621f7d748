"""Read and write ``meta.build``, ``meta.build_model`` and ``meta.check_result``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import WarehouseError
from include.models.increments import Build, Range
from include.warehouse.engine import engine

# A build in one of these states has nothing left to do.
SETTLED = ("done", "superseded")

_SELECT = (
    "select build_id, kind, state, trigger, window_start, window_end, newest_day, first_day, known_at from meta.build"
)

# A build with the newest ``known_at`` and day of any forward build.
NEWEST_COLUMNS = (
    "b.build_id, b.kind, b.state, b.trigger, b.window_start, b.window_end, known.newest_day, b.first_day,"
    " known.known_at"
)
FROM_NEWEST = """
    from meta.build as b
    cross join (
        select max(known_at) as known_at, max(newest_day) as newest_day
        from meta.build
        where kind = 'forward' or build_id = :id
    ) as known
"""
_WITH_NEWEST = sa.text(f"select {NEWEST_COLUMNS} {FROM_NEWEST} where b.build_id = :id")


@dataclass(frozen=True)
class Checked:
    """The outcome of a check. ``first`` holds the keys of its first bad rows, if it failed and selects them."""

    name: str
    severity: str
    n_bad: int
    meaning: str
    first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """The result of building a model.

    Args:
        n_rows: Rows returned by its query.
        n_changed: Removed plus added rows; a changed row counts as both.
        seconds: Duration in seconds.
        scope: The accounts and days that were built, in words.
        reason: Why it was built; empty if it was not.
        warnings: Checks of severity warn that found rows.
    """

    model: str
    n_rows: int
    n_changed: int
    seconds: float
    scope: str
    reason: str
    warnings: tuple[Checked, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The result of a build."""

    build_id: str
    newest_day: date
    n_models: int
    n_rows: int
    n_changed: int
    seconds: float
    n_warnings: int


def find(connection: sa.Connection, build_id: str) -> Build | None:
    row = connection.execute(sa.text(f"{_SELECT} where build_id = :id"), {"id": build_id}).one_or_none()
    return as_build(row) if row else None


def get(connection: sa.Connection, build_id: str) -> Build:
    """Return a build.

    Raises:
        WarehouseError: It was never planned.
    """
    build = find(connection, build_id)
    if build is None:
        raise unknown(build_id)
    return build


def unknown(build_id: str) -> WarehouseError:
    """Return the error of a build that was never planned."""
    return WarehouseError(f"unknown build {build_id}", cure="plan it first")


def is_settled(build_id: str) -> bool:
    """Return whether a build is done or superseded."""
    with engine("reader").connect() as connection:
        found = find(connection, build_id)
    return found is not None and found.state in SETTLED


def with_newest(connection: sa.Connection, build_id: str) -> Build:
    """Return a build with the newest ``known_at`` and day of any forward build, to build a model with.

    A build may be planned long before it builds a model. A forward build planned in between may have written facts that
    became known later. Without its ``known_at``, tables without days would lose them again.
    """
    row = connection.execute(_WITH_NEWEST, {"id": build_id}).one_or_none()
    return as_build(row) if row else get(connection, build_id)


def frontier(connection: sa.Connection) -> Build | None:
    """Return the finished forward build with the newest day."""
    row = connection.execute(
        sa.text(
            f"{_SELECT} where kind = 'forward' and state = 'done' order by newest_day desc, started_at desc limit 1"
        )
    ).one_or_none()
    return as_build(row) if row else None


# Source -> time up to which it is read.
_WATERMARKS = (
    "(select coalesce(jsonb_object_agg(source, read_until), '{}') from"
    " (select source, min(read_until) as read_until from meta.cursor group by source) as c)"
)


def insert(connection: sa.Connection, build: Build, reason: str) -> None:
    """Insert a new build, with the current watermark of each source."""
    connection.execute(
        sa.text(
            "insert into meta.build (build_id, kind, state, trigger, window_start, window_end, newest_day, first_day,"  # noqa: S608 - texts of this file
            " known_at, is_first, reason, watermarks, started_at)"
            " values (:build_id, :kind, 'running', :trigger, :start, :end, :newest_day, :first_day, :known_at,"
            f" :is_first, :reason, {_WATERMARKS}, clock_timestamp())"
        ),
        {
            "build_id": build.build_id,
            "kind": build.kind,
            "trigger": build.trigger,
            "start": build.window.start,
            "end": build.window.end,
            "newest_day": build.newest_day,
            "first_day": build.first_day,
            "known_at": build.known_at,
            "is_first": build.trigger == "first",
            "reason": reason,
        },
    )


def advance_watermarks(connection: sa.Connection, build_id: str) -> None:
    """Raise a build's watermarks to what is read now, since none of the newer data alters its tables.

    Args:
        connection: A transaction that merges wait for.
        build_id: The newest build.
    """
    connection.execute(
        sa.text(f"update meta.build set watermarks = {_WATERMARKS} where build_id = :id"),  # noqa: S608 - as above
        {"id": build_id},
    )


def set_state(connection: sa.Connection, build_id: str, state: str) -> None:
    """Set a build's state, and its end if it is settled."""
    connection.execute(
        sa.text(
            "update meta.build set state = :state, finished_at = case when :is_settled then now() end"
            " where build_id = :id"
        ),
        {"id": build_id, "state": state, "is_settled": state in SETTLED},
    )


def record_frozen(connection: sa.Connection, name: str, upto: date) -> None:
    """Record the last day of a frozen table's rows. It never moves back."""
    connection.execute(
        sa.text(
            "insert into meta.frozen as f (model, upto) values (:model, :upto)"
            " on conflict (model) do update set upto = greatest(f.upto, excluded.upto)"
        ),
        {"model": name, "upto": upto},
    )


def done_models(connection: sa.Connection, build_id: str) -> set[str]:
    return set(
        connection.execute(
            sa.text("select model from meta.build_model where build_id = :id"), {"id": build_id}
        ).scalars()
    )


def record(connection: sa.Connection, build_id: str, one: Built, checked: tuple[Checked, ...]) -> None:
    """Record a built model with its checks."""
    connection.execute(
        sa.text(
            "insert into meta.build_model (build_id, model, n_rows, n_changed, seconds, scope, reason)"
            " values (:build_id, :model, :n_rows, :n_changed, :seconds, :scope, :reason)"
        ),
        {
            "build_id": build_id,
            "model": one.model,
            "n_rows": one.n_rows,
            "n_changed": one.n_changed,
            "seconds": one.seconds,
            "scope": one.scope,
            "reason": one.reason,
        },
    )
    _record_checks(connection, build_id, one.model, checked)


def record_failure(build_id: str, name: str, checked: tuple[Checked, ...]) -> None:
    """Record in a separate transaction that a model's checks failed the build."""
    with engine("builder").begin() as connection:
        _record_checks(connection, build_id, name, checked)
        set_state(connection, build_id, "failed")


def summary(connection: sa.Connection, build: Build) -> Finished:
    row = connection.execute(
        sa.text(
            "select count(*), coalesce(sum(n_rows), 0), coalesce(sum(n_changed), 0), coalesce(sum(seconds), 0),"
            " (select count(*) from meta.check_result where build_id = :id and n_bad > 0)"
            " from meta.build_model where build_id = :id"
        ),
        {"id": build.build_id},
    ).one()
    n_models, n_rows, n_changed, seconds, n_warnings = row
    return Finished(
        build.build_id, build.newest_day, n_models, int(n_rows), int(n_changed), round(seconds, 3), n_warnings
    )


def _record_checks(connection: sa.Connection, build_id: str, name: str, checked: tuple[Checked, ...]) -> None:
    if not checked:
        return
    connection.execute(
        sa.text(
            "insert into meta.check_result (build_id, model, check_name, severity, n_bad)"
            " values (:build_id, :model, :name, :severity, :n_bad)"
            " on conflict (build_id, model, check_name) do update"
            " set severity = excluded.severity, n_bad = excluded.n_bad, checked_at = now()"
        ),
        [
            {
                "build_id": build_id,
                "model": name,
                "name": check.name,
                "severity": check.severity,
                "n_bad": check.n_bad,
            }
            for check in checked
        ],
    )


def as_build(row: sa.Row[Any]) -> Build:
    """Return the build of a row with the columns ``NEWEST_COLUMNS``."""
    window = Range(row.window_start, row.window_end)
    return Build(row.build_id, row.kind, row.state, row.trigger, window, row.newest_day, row.first_day, row.known_at)
