"""Check one source, from its connection to the first rows of each entity."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from include.common import clock, connections
from include.common.errors import AuthError, Forbidden, NotOffered, PerennialError, Unavailable
from include.common.text import one_line
from include.connectors import registry
from include.connectors.base import Record, Rights, Source
from include.entities.catalog import ENTITIES, of_kind
from include.operations.connection_check.finding import LimitedSleep, Line, State, errors_as_lines, failed
from include.operations.connection_check.network import reach

# Limit for one connection: its calls must neither take long nor use up the quota that ingest needs.
SECONDS = 60.0
_WAITING = 10.0
_TIMEOUTS = (5.0, 20.0)
SAMPLE = 200
_SHOWN_ROWS, _SHOWN_TEXT = 3, 40
_SKEW = 60.0
# How far a source's clock may run ahead before its modification times count as wrong.
_AHEAD = timedelta(hours=1)
# Driver type names of timestamps without a time zone: PostgreSQL's, and MySQL's datetime by its number.
_WITHOUT_ZONE = ("timestamp", "12")
_HIDDEN = "***"


def check(source_id: str, *, writes: Collection[str] = ()) -> Iterator[Line]:
    """Check one source, connection first. Checks that depend on a failed one are skipped.

    Args:
        writes: The channels that also write over the connection.
    """
    deadline = time.monotonic() + SECONDS
    try:
        connection = connections.get(source_id)
        source = registry.connect(connection)
        entities = source.entities()
    except PerennialError as error:
        yield failed(source_id, "settings", error)
        return
    found = f"{source.vendor}, {len(entities)} entities"
    yield Line(source_id, "settings", "ok", found)
    client = source.client
    if client is not None:
        client.timeouts, client.sleep = _TIMEOUTS, LimitedSleep(_WAITING)
        client.limiter.sleep = LimitedSleep(_WAITING)
        reached = reach(source_id, client.base_url)
        yield from reached
        if any(line.state == "failed" for line in reached):
            return
    is_accepted = False
    for line in _entities(source_id, source, entities, deadline):
        is_accepted |= (line.what, line.state) == ("credentials", "ok")
        yield line
    if client is not None:
        left = _left(client.headers)
        if left:
            yield Line(source_id, "limits", "ok", left)
        yield _clock(source_id, client.skew_seconds)
    else:
        lines: list[Line] = []
        with errors_as_lines(lines, source_id, "clock"):
            if (skew := source.skew()) is not None:
                lines.append(_clock(source_id, skew))
        yield from lines
    if is_accepted:
        yield from _rights(source_id, source, reads=True, writes=writes)
    missing = [entity.name for entity in of_kind(source.kind) if entity.name not in entities]
    if missing:
        yield Line(source_id, "not available", "warning", ", ".join(missing), "map them if your system has them")


def check_writer(connection_id: str, source_id: str, writes: Collection[str]) -> Iterator[Line]:
    """Check a connection that is only written to."""
    try:
        source = registry.connect(replace(connections.get(connection_id), id=source_id))
    except PerennialError as error:
        yield failed(connection_id, "settings", error)
        return
    yield from _rights(connection_id, source, reads=False, writes=writes)


def _rights(connection_id: str, source: Source, *, reads: bool, writes: Collection[str]) -> Iterator[Line]:
    """Check the rights of the login. Read rights are not listed: the reads themselves have tested them."""
    lines: list[Line] = []
    granted: Rights | None = None
    with errors_as_lines(lines, connection_id, "scopes"):
        granted = source.rights(reads=reads, writes=writes)
        if granted is None:
            lines.append(Line(connection_id, "scopes", "unknown", "the vendor does not list the login's rights"))
    yield from lines
    if granted is None:
        return
    if granted.forbidden:
        fix = "use a login that may only select what the queries read; docs/reference/scopes.md shows how to make one"
        found = f"the login is {', '.join(granted.forbidden)}: its queries could reach the server's files and programs"
        yield Line(connection_id, "scopes", "failed", found, fix, exit_status=3)
        return
    is_lacking = any(not name.endswith(".read") for name in granted.missing)
    wrong = [f"missing: {', '.join(granted.missing)}"] if granted.missing else []
    wrong += [f"more than needed: {', '.join(granted.surplus)}"] if granted.surplus else []
    if not wrong:
        yield Line(connection_id, "scopes", "ok", "exactly the rights needed")
        return
    fix = "grant the missing rights and revoke the others; docs/reference/scopes.md says what each is for"
    yield Line(connection_id, "scopes", "failed" if is_lacking else "warning", "; ".join(wrong), fix, exit_status=3)


def _entities(source_id: str, source: Source, entities: tuple[str, ...], deadline: float) -> Iterator[Line]:
    is_known = False
    for entity in entities:
        if time.monotonic() > deadline:
            rest = ", ".join(entities[entities.index(entity) :])
            yield Line(source_id, rest, "unknown", f"not checked: the time limit of {SECONDS:.0f} seconds was reached")
            return
        try:
            records = source.sample(entity, SAMPLE)
        except NotOffered as error:
            yield Line(source_id, entity, "warning", error.message, error.cure)
            continue
        except Forbidden as error:
            # Other entities may still be readable.
            yield failed(source_id, entity, error)
            continue
        except PerennialError as error:
            is_refused = isinstance(error, AuthError)
            yield failed(source_id, "credentials" if is_refused and not is_known else entity, error)
            # A database may be slow on one query only. A service that is down or refuses the login is not called again.
            if is_refused or (isinstance(error, Unavailable) and source.client is not None):
                return
            continue
        if not is_known:
            is_known = True
            yield Line(source_id, "credentials", "ok", "accepted")
        yield from _of_entity(source_id, source, entity, records)


def _of_entity(source_id: str, source: Source, entity: str, records: list[Record]) -> Iterator[Line]:
    lines: list[Line] = []
    total: int | None = None
    with errors_as_lines(lines, source_id, f"{entity}: count"):
        total = source.count(entity)
    yield from lines
    if not records:
        yield Line(source_id, entity, "warning", "no rows", "check that it is the right account and has such records")
        return
    counted = f"{total:,} rows" if total is not None else f"at least {len(records):,} rows"
    yield Line(source_id, entity, "ok", counted, rows=[_masked(entity, one) for one in records[:_SHOWN_ROWS]])
    yield _filled(source_id, source, entity, records)
    yield from _changes(source_id, source, entity, records)


def _filled(source_id: str, source: Source, entity: str, records: list[Record]) -> Line:
    """Report how many values of mapped columns are filled. A column that never is may be mapped to the wrong field."""
    columns = dict.fromkeys(column for record in records for column in record.values)
    shares = {
        column: sum(record.values.get(column) is not None for record in records) / len(records) for column in columns
    }
    unmapped = [column for column in ENTITIES[entity].column_names if column not in columns]
    bad = [record for record in records if record.problems]
    parts = [f"{column} {share:.0%}" for column, share in shares.items() if 0 < share < 1]
    empty = [column for column, share in shares.items() if share == 0]
    full = sum(share == 1 for share in shares.values())
    found = [f"{full} of {len(shares)} columns are filled in all {len(records)} rows", *parts[:8]]
    if unmapped:
        found.append(f"not mapped: {', '.join(unmapped)}")
    if empty:
        found.append(f"never filled: {', '.join(empty)}")
    fixes = ["map these columns from another field, or leave them out of the mapping"] if empty else []
    if bad:
        columns_of = sorted({column for record in bad for column in record.problems})
        found.append(
            f"{len(bad)} {'row has' if len(bad) == 1 else 'rows have'} an invalid value for"
            f" {' and '.join(columns_of)}, such as {_misfit(entity, bad[0])}"
        )
        fixes.append("correct such values in the source, or map another field; until then these rows go to quarantine")
    return Line(source_id, f"{entity}: mapping", "warning" if fixes else "ok", "; ".join(found), "; ".join(fixes))


def _changes(source_id: str, source: Source, entity: str, records: list[Record]) -> Iterator[Line]:
    """Check the modification time, if it is missing or in the future in some rows."""
    latest = clock.now() + _AHEAD
    n_without = sum(record.source_at is None for record in records)
    n_ahead = sum(record.source_at is not None and record.source_at > latest for record in records)
    n_rows, type_ = len(records), ""
    lines: list[Line] = []
    undated = None
    with errors_as_lines(lines, source_id, f"{entity}: changes"):
        undated = source.undated(entity)
        if undated is not None:
            n_rows, n_without, n_ahead = undated
            type_ = source.fields(entity).get("updated_at", "").lower()
    yield from lines
    found, fixes = [], []
    if n_ahead:
        found.append(
            f"in {n_ahead:,} of {n_rows:,} rows updated_at is in the future: it is not the time of the last change"
        )
        fixes.append("return the time of the last change as updated_at, or null if there is none")
    if n_without:
        found.append(f"{n_without:,} of {n_rows:,} rows have no updated_at")
    if found and undated is not None:
        found.append("these rows are read on every run")
    if type_ == "date":
        found.append("updated_at is a date: rows of a day are read again until it is over in every time zone")
    if type_ in _WITHOUT_ZONE:
        found.append("updated_at has no time zone and is read as UTC")
        fixes.append("if it is local time, convert it: `updated_at at time zone 'Europe/Berlin' as updated_at`")
    if found:
        state: State = "warning" if fixes else "ok"
        yield Line(source_id, f"{entity}: changes", state, "; ".join(found), "; ".join(fixes))


def _misfit(entity: str, record: Record) -> str:
    """Return the first invalid value of a record, and the record's id."""
    column, value = next(iter(record.problems.items()))
    shown = _HIDDEN if column in ENTITIES[entity].sensitive else repr(one_line(str(value))[:_SHOWN_TEXT])
    return f"{shown} in record {one_line(record.id)[:_SHOWN_TEXT]}"


def _masked(entity: str, record: Record) -> dict[str, Any]:
    """Return a record for display, with values that identify a person masked."""
    sensitive = ENTITIES[entity].sensitive
    shown: dict[str, Any] = {"id": record.id[:_SHOWN_TEXT]}
    for name, value in record.values.items():
        if value is not None:
            shown[name] = _HIDDEN if name in sensitive else one_line(str(value))[:_SHOWN_TEXT]
    return shown


def _clock(source_id: str, skew: float) -> Line:
    if abs(skew) <= _SKEW:
        return Line(source_id, "clock", "ok", f"within {max(1.0, abs(skew)):.0f} s of ours")
    fix = "set this machine's clock by NTP; records newer than our clock are read late"
    return Line(source_id, "clock", "warning", f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours", fix)


def _left(headers: Mapping[str, str]) -> str:
    """Return the remaining quota from the vendor's headers. Their names vary; their meaning does not."""
    quotas = [
        f"{name.lower().removeprefix('x-')}: {value}"
        for name, value in sorted(headers.items())
        if name.lower().endswith(("remaining", "limit-info", "incremental-exports"))
    ]
    return "; ".join(dict.fromkeys(quotas))
