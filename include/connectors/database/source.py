"""A database as a source, read by the customer's SQL: the product's own, or one that holds a CRM or support desk.

Any database that SQLAlchemy supports works. Each entity is one file, ``sql/sources/<connection>/<entity>.sql``
(products without their own queries share ``sql/sources/product/``): one select that returns ``id``, columns of the
entity, ``updated_at`` and, if rows are marked as deleted, ``is_deleted``. It may use ``:since`` (null on a full read)
and ``:until`` to make use of an index. The connector itself decides which of the rows to read.

* A read sees one snapshot, and streams it in the order of ``(updated_at, id)``. A page's mark is its last such pair.
* Rows younger than the lag are read only by a full read. Each read overlaps the end of the last one. So a transaction
  that commits late, with the timestamp of its start, is caught by the next read.
* Rows without ``updated_at`` are read every time: a table without change times is small or has no other way. If it is
  null for every row, each read is a full one, and deletions are detected at once. Rows whose ``updated_at`` is in the
  future, such as the end of a term, are also read every time: it is not their change time.
* If ``updated_at`` is a date, the row may have changed until that day was over in every time zone. It is read again
  until then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache, cached_property
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.common import clock
from include.common.connections import Connection
from include.common.errors import ConfigError
from include.config.models import Settings
from include.connectors import positions
from include.connectors.base import Listed, Page, Position, Record, Request, Rights, Source
from include.connectors.casting import Cast, caster
from include.connectors.database import odd_times
from include.connectors.database import query as queries
from include.connectors.database.privileges import rights
from include.connectors.database.query import Query
from include.connectors.database.snapshot import clock_behind, complete_until, query_errors, snapshot
from include.connectors.database.urls import url_of
from include.connectors.pagination import LazyRecords
from include.entities.catalog import ENTITIES, Kind

PAGE_ROWS = 5_000
# Time limit in seconds for checks and previews of the customer's database.
PEEK_SECONDS = 15
# The customer's query may compare with `>` or `>=`.
_MARGIN = timedelta(seconds=1)
# Tolerance for a database clock ahead of ours. A time further ahead is not a change time.
_AHEAD = timedelta(hours=1)
# The earliest change time: the first year of SQL Server's datetime, and later than PostgreSQL's `-infinity`.
_EARLIEST = datetime(1753, 1, 1, tzinfo=UTC)
# ``:until`` is later than every row, so that no query leaves out rows dated in the future.
_FAR_FUTURE = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
# A date begins somewhere 14 hours before its start in UTC, and is over everywhere 36 hours after that start.
_DAY = timedelta(hours=36)
# Databases whose stored times compare exactly with the ones they returned. On others (SQLite stores texts), a resumed
# read repeats a second rather than lose a row.
_EXACT = ("postgresql", "mysql", "mariadb")
_moment = caster("timestamptz")
_flag = caster("boolean")


class Database(Source):
    """One database, by default the product's.

    Args:
        settings: For lag, overlap, time zone and start of history.
    """

    vendor = "product"
    kind: Kind = "product"

    def __init__(self, connection: Connection, settings: Settings) -> None:
        source = settings.listed(connection.id)
        self._id = connection.id
        self._known = tuple(name for one in settings.sources for name in (one.id, one.queries) if name)
        self._named = source.queries
        self._lag = timedelta(seconds=source.lag_seconds)
        self._trailing = timedelta(seconds=source.trailing_seconds)
        self._history = timedelta(days=31 * settings.history_start_months)
        self._zone = ZoneInfo(settings.reporting_zone)
        self._day = caster("date", self._zone)
        self._url = url_of(connection)

    def entities(self) -> tuple[str, ...]:
        """Return the entities with a query. An entity whose file is missing or has only comments is not available."""
        return tuple(self._queries)

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def fields(self, entity: str) -> dict[str, str]:
        """Return the columns of the query, with the database's own types."""
        query = self._query(entity)
        with snapshot(self._engine, self._id) as connection, query_errors(query, self._engine):
            return self._column_types(connection, query)

    def mapped(self, entity: str) -> dict[str, str]:
        """Return every column of the query, mapped to itself: a query returns only columns of the entity."""
        return {name: name for name in self.fields(entity)}

    def is_always_full(self, entity: str) -> bool:
        """Return whether the query has no change times. Daily facts are excluded: they are read by day."""
        return self._query(entity).is_always_full and ENTITIES[entity].dirty_from != "day"

    def rights(self, *, reads: bool, writes: Collection[str]) -> Rights | None:
        """Return the permissions of the login. Nothing is ever written, so any permission to write is surplus."""
        with snapshot(self._engine, self._id, seconds=PEEK_SECONDS) as connection:
            return rights(connection)

    def skew(self) -> float:
        """Return by how many seconds the database's clock is ahead of ours, at most 0: a fast clock is not measured."""
        with snapshot(self._engine, self._id, seconds=PEEK_SECONDS) as connection:
            return -float(clock_behind(connection))

    def sample(self, entity: str, n: int) -> list[Record]:
        """Return some rows, in the database's own order: sorting all of them would cost too much."""
        query = self._query(entity)
        with snapshot(self._engine, self._id, seconds=PEEK_SECONDS) as connection, query_errors(query, self._engine):
            inner = self._inner(query, None)
            names = self._columns(connection, query, inner)
            found = inner.columns(*(sa.column(name) for name in names)).subquery("q")
            read = self._readers(entity, names)
            columns = self._selected(found, names, self._bind(clock.now() + _AHEAD))
            return [read(row) for row in connection.execute(sa.select(*columns).limit(n))]

    def count(self, entity: str) -> int:
        """Return how many rows the query returns."""
        query = self._query(entity)
        with snapshot(self._engine, self._id, seconds=PEEK_SECONDS) as connection, query_errors(query, self._engine):
            counted = sa.select(sa.func.count()).select_from(
                self._inner(query, None).columns(sa.column("id")).subquery("q")
            )
            return int(connection.execute(counted).scalar_one())

    def undated(self, entity: str) -> tuple[int, int, int]:
        """Count all rows, and those read every time: without a possible ``updated_at``, and with one in the future."""
        query = self._query(entity)
        with snapshot(self._engine, self._id, seconds=PEEK_SECONDS) as connection, query_errors(query, self._engine):
            at: sa.ColumnClause[Any] = sa.column("updated_at")
            is_ahead = at >= self._bind(clock.now() + _AHEAD)
            counts = (
                sa.func.count(sa.case((each, 1)))
                for each in (sa.true(), at.is_(None) | (at < self._bind(_EARLIEST)), is_ahead)
            )
            found = connection.execute(
                sa.select(*counts).select_from(self._inner(query, None).columns(at).subquery("q"))
            )
            row = found.one()
        return int(row[0]), int(row[1]), int(row[2])

    def pages(self, entity: str, request: Request) -> Iterator[Page]:
        query = self._query(entity)
        stored = request.mark or (None if request.full else request.position)
        here = positions.checked(stored) if stored else None
        if request.mark and here and here["phase"] == "done":
            yield Page([], here, here, positions.moment(here["at"]))
            return
        with snapshot(self._engine, self._id) as connection, query_errors(query, self._engine):
            if here is None or here["phase"] == "done":
                here = self._start(entity, here, request, complete_until(connection, request.until, self._lag))
            yield from self._pages(connection, query, here)

    def counts(self, entity: str) -> dict[str, int] | None:
        """Return the counts of daily facts by day; None for other entities, whose ids cost no more to compare."""
        if "day" not in ENTITIES[entity].column_names:
            return None
        found: Counter[str] = Counter()
        for day, is_deleted, n in self._all_rows(entity, "day", is_counted=True):
            found[str(_cast_value(self._day, "day", day, {}))] += 0 if _flag(is_deleted) else n
        return dict(found)

    def ids(self, entity: str) -> Iterator[list[Listed]]:
        rows = self._all_rows(entity, "id", is_counted=False)
        for page in iter(lambda: list(islice(rows, PAGE_ROWS)), []):
            yield [(str(one), _moment(at)) for one, is_deleted, at in page if one is not None and not _flag(is_deleted)]

    def _all_rows(self, entity: str, column: str, *, is_counted: bool) -> Iterator[sa.Row]:
        """Yield (column, whether deleted, count or change time) of all rows of the query."""
        query = self._query(entity)
        with snapshot(self._engine, self._id) as connection, query_errors(query, self._engine):
            inner = self._inner(query, None)
            names = self._columns(connection, query, inner)
            rows = inner.columns(*(sa.column(name) for name in names)).subquery("q")
            keys = [rows.c[column], rows.c.is_deleted if "is_deleted" in names else sa.null()]
            at = self._change_time(rows, self._bind(clock.now() + _AHEAD))
            statement = sa.select(*keys, sa.func.count() if is_counted else at)
            if is_counted:
                statement = statement.group_by(*keys[: 2 if "is_deleted" in names else 1])
            result = connection.execution_options(stream_results=True, max_row_buffer=PAGE_ROWS).execute(statement)
            for part in result.partitions(PAGE_ROWS):
                yield from part

    @cached_property
    def _engine(self) -> sa.Engine:
        arguments = (
            {"connect_timeout": 10} if self._url.get_backend_name() in ("postgresql", "mysql", "mariadb") else {}
        )
        try:
            return odd_times.read_as_text(
                sa.create_engine(self._url, poolclass=sa.pool.NullPool, connect_args=arguments)
            )
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"connection {self._id} needs the Python package {error.name}, which is not installed",
                cure=f"install it, or name another driver: pip install {error.name}",
            ) from None
        except sa.exc.ArgumentError:
            raise ConfigError(
                f"connection {self._id}: SQLAlchemy has no dialect {self._url.drivername}",
                cure="correct its type or its extra.sqlalchemy_url",
            ) from None

    @cached_property
    def _queries(self) -> dict[str, Query]:
        backend = self._url.get_backend_name()
        found = queries.available(self._id, self.kind, self._known, self._named)
        parts = queries.parts_of(queries.folder_of(self._id, self.kind, self._named), self._named)
        loaded = {entity: queries.load(entity, path, backend, parts) for entity, path in found.items()}
        return {entity: query for entity, query in loaded.items() if query is not None}

    def _query(self, entity: str) -> Query:
        if entity in self._queries:
            return self._queries[entity]
        folder = queries.folder_of(self._id, self.kind, self._named)
        raise ConfigError(
            f"{self._id} has no entity {entity}",
            cure=f"available: {', '.join(self._queries)}; add it as sql/{folder}/{entity}.sql",
        )

    def _start(self, entity: str, done: Position | None, request: Request, hi: datetime) -> Position:
        since, full = request.since, request.full
        lo: datetime | None = None
        if done is not None and not full:
            lo = positions.moment(done["at"]) - self._trailing
            lo = min(lo, since) if since else lo
        elif not full and ENTITIES[entity].dirty_from == "day":
            # The first load of daily facts begins at the start of history. A full read must find all existing rows.
            lo = min(hi - self._history, since) if since else hi - self._history
        # In a read bounded in the past, changes since then are not in the future.
        ahead = _iso(max(request.until, clock.now()) + _AHEAD)
        hi_ms = positions.milliseconds(hi)
        return {"phase": "rows", "full": full, "lo": _iso(lo), "hi": hi_ms, "ahead": ahead, "at": None, "key": None}

    def _pages(self, connection: sa.Connection, query: Query, here: Position) -> Iterator[Page]:
        lo = datetime.fromisoformat(here["lo"]) if here["lo"] else None
        hi = positions.moment(here["hi"])
        reached = datetime.fromisoformat(here["at"]) if here["at"] else None
        days = self._days(lo) if lo else ()
        start = reached or min([*days, lo] if lo else [], default=None)
        inner = self._inner(query, start - _MARGIN if start else None)
        names = self._columns(connection, query, inner)
        statement = self._statement(inner, names, here, lo, days, hi)
        readers = self._readers(query.entity, names)
        result = connection.execution_options(stream_results=True, max_row_buffer=PAGE_ROWS).execute(statement)
        for rows in result.partitions(PAGE_ROWS):
            last = rows[-1]
            at = _moment(last[names.index("updated_at")])
            here = positions.start(**(here | {"at": _iso(at), "key": last[-1], "undated": at is None}))
            yield Page(LazyRecords(f"{self._id}'s {query.entity} rows", rows, readers), here)
        done = positions.start(phase="done", at=here["hi"])
        yield Page([], done, done, hi)

    def _days(self, lo: datetime) -> tuple[datetime, ...]:
        """Return the dates, as timestamps, that were not yet over in every time zone at a given time."""
        found = set()
        for zone in (ZoneInfo("UTC"), self._zone):
            first = (lo - _DAY).astimezone(zone).date()
            starts = (datetime.combine(first + timedelta(days=n), time(), zone).astimezone(UTC) for n in range(4))
            found |= {start for start in starts if lo - _DAY <= start < lo}
        return tuple(sorted(found))

    def _inner(self, query: Query, since: datetime | None) -> sa.TextClause:
        """Return the customer's query with its parameters bound."""
        # PostgreSQL has dates after Python's last year.
        until = "infinity" if self._url.get_backend_name() == "postgresql" else self._bound(_FAR_FUTURE)
        bound = {"since": self._bound(since), "until": until}
        return sa.text(query.executable).bindparams(
            *(sa.bindparam(name, bound[name], sa.DateTime(timezone=True)) for name in sorted(query.parameters))
        )

    def _columns(self, connection: sa.Connection, query: Query, inner: sa.TextClause) -> list[str]:
        """Return the columns of the query, after checking them."""
        names = list(connection.execute(_probe(inner)).keys())
        query.check_columns(names)
        return names

    def _column_types(self, connection: sa.Connection, query: Query) -> dict[str, str]:
        """Return the types of the query's columns, as the driver names them."""
        result = connection.execute(_probe(self._inner(query, None)))
        described = result.cursor.description if result.cursor else []
        found = {column[0]: _type_name(column) for column in described}
        result.close()
        return found

    def _statement(
        self,
        inner: sa.TextClause,
        names: Sequence[str],
        here: Position,
        lo: datetime | None,
        days: Sequence[datetime],
        hi: datetime,
    ) -> sa.Select:
        rows = inner.columns(*(sa.column(name) for name in names)).subquery("q")
        # Positions stored by an earlier version have no ``ahead``, so nothing counts as dated ahead.
        ahead = self._bind(datetime.fromisoformat(here["ahead"]) if here.get("ahead") else _FAR_FUTURE)
        at = rows.c.updated_at
        key = _key(rows.c.id, self._url.get_backend_name()).label("_key")
        always = at.is_(None) | (at >= ahead) | (at < self._bind(_EARLIEST))
        reached = datetime.fromisoformat(here["at"]) if here["at"] else None
        if here.get("undated"):
            wanted: Any = always & (key > here["key"])
        else:
            # A full read marks missing rows as deleted, so it must also find rows younger than the lag.
            dated = at < (ahead if here.get("full") else self._bind(hi))
            if reached is not None and self._url.get_backend_name() in _EXACT:
                then = self._bind(reached)
                dated &= (at > then) | ((at == then) & (key > here["key"]))
            elif reached is not None:
                dated &= at >= self._bind(reached - _MARGIN)
            elif lo is not None:
                of_days = (at.between(self._bind(day - _MARGIN), self._bind(day + _MARGIN)) for day in days)
                dated &= sa.or_(at >= self._bind(lo), *of_days)
            wanted = dated | always
        order = (sa.case((always, 1), else_=0), self._change_time(rows, ahead), key)
        return sa.select(*self._selected(rows, names, ahead), key).where(wanted).order_by(*order)

    def _bound(self, moment: datetime | None) -> datetime | None:
        """Return a timestamp in the form that the database compares: only PostgreSQL always supports time zones."""
        if moment is None or self._url.get_backend_name() == "postgresql":
            return moment
        return moment.astimezone(UTC).replace(tzinfo=None)

    def _bind(self, moment: datetime) -> sa.BindParameter:
        return sa.literal(self._bound(moment), sa.DateTime(timezone=True))

    def _change_time(self, rows: sa.Subquery, ahead: sa.BindParameter) -> sa.ColumnElement:
        """Return a row's change time: null if it has none, one in the future or an impossible one."""
        at = rows.c.updated_at
        return sa.case(((at < ahead) & (at >= self._bind(_EARLIEST)), at))

    def _selected(self, rows: sa.Subquery, names: Sequence[str], ahead: sa.BindParameter) -> list[sa.ColumnElement]:
        """Return the query's columns, with future and impossible change times set to null."""
        return [self._change_time(rows, ahead).label(name) if name == "updated_at" else rows.c[name] for name in names]

    def _readers(self, entity: str, names: Sequence[str]) -> Callable[[Sequence[Any]], Record]:
        """Return the function that converts a row to a record."""
        types = {column.name: column.type for column in ENTITIES[entity].columns}
        casts: list[tuple[str, int, Cast]] = [
            (name, index, caster(types[name], self._zone)) for index, name in enumerate(names) if name in types
        ]
        id_at = names.index("id")
        deleted_at = names.index("is_deleted") if "is_deleted" in names else None

        def read(row: Sequence[Any]) -> Record:
            values: dict[str, Any] = {}
            problems: dict[str, str] = {}
            for name, index, cast in casts:
                values[name] = _cast_value(cast, name, row[index], problems)
            is_deleted = None if deleted_at is None else _cast_value(_flag, "is_deleted", row[deleted_at], problems)
            record_id = row[id_at]
            if record_id is None:
                record_id, problems["id"] = "", "null"
            return Record(str(record_id), values, {}, values["updated_at"], bool(is_deleted), problems)

        return read


def _cast_value(cast: Cast, name: str, found: Any, problems: dict[str, str]) -> Any:
    """Cast a value to its column's type. A value that does not fit is added to ``problems``."""
    try:
        return cast(found)
    except (ValueError, OverflowError):
        problems[name] = str(found)[:200]
        return None


def _key(column: sa.ColumnElement, backend: str) -> sa.ColumnElement:
    """Return an id as text, in the same order here and in the mark. No two ids are equal, whatever their collation."""
    text = sa.cast(column, sa.String)
    if backend in ("mysql", "mariadb"):
        return sa.func.hex(text)
    collation = {"postgresql": "C", "sqlite": "binary"}.get(backend)
    return text.collate(collation) if collation else text


def _probe(inner: sa.TextClause) -> sa.Select:
    """Return a query for zero rows of another one, to get its columns without reading anything."""
    return sa.select(sa.text("*")).select_from(inner.columns().subquery("q")).where(sa.text("1 = 0"))


def _type_name(column: Any) -> str:
    """Return the driver's name of a column's type. Most return a number, SQLite nothing."""
    return str(getattr(column, "type_display", None) or column[1] or "any")


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
