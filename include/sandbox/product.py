"""The product's own database: a real PostgreSQL with tables named the way a product would name them.

History is filled by COPY at the start. After that the database follows the world: each row is written when its time
comes. The sandbox's own progress is kept in a schema that the reading login cannot see.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from include.common.errors import PerennialError
from include.sandbox.core import Sandbox
from include.sandbox.store import Item
from include.sandbox.world import growth
from include.sandbox.world.dates import add_months
from include.sandbox.world.records import DAY, HOUR, day_of, millis, moment
from include.sandbox.world.usage import FEATURES

TABLES = """
create schema sandbox;
create table sandbox.progress (world text not null, filled_to bigint not null);
create table workspaces (
    workspace_key text primary key, display_name text not null, crm_company_ref text, sso_domain text,
    plan_code text not null, internal boolean not null,
    created_at timestamptz not null, updated_at timestamptz not null, deleted_at timestamptz
);
create table members (
    member_no bigint primary key, workspace_key text not null, email text, role_name text, team_name text,
    is_robot boolean not null, activated_at timestamptz, deactivated_at timestamptz,
    created_at timestamptz not null, updated_at timestamptz not null, deleted_at timestamptz
);
create table member_feature_daily (
    workspace_key text not null, member_no bigint not null, feature_key text not null, activity_date date not null,
    event_count int not null, active_minutes double precision not null, updated_at timestamptz not null
);
create table seat_snapshots (
    workspace_key text not null, snapshot_date date not null, seats_paid int not null, seats_activated int not null,
    updated_at timestamptz not null
);
create table channel_spend (
    month date not null, channel text not null, kind text not null, amount numeric not null,
    updated_at timestamptz not null
);
"""
KEYS = """
alter table member_feature_daily add primary key (workspace_key, member_no, feature_key, activity_date);
alter table seat_snapshots add primary key (workspace_key, snapshot_date);
alter table channel_spend add primary key (month, channel, kind);
create index on member_feature_daily (updated_at);
create index on seat_snapshots (updated_at);
"""
SEATS_AT = HOUR // 2  # after midnight, the seats of the previous day are counted
TICK_SECONDS = 2.0
UPSERT = {
    "workspaces": (
        ("workspace_key", "display_name", "crm_company_ref", "sso_domain", "plan_code", "internal", "created_at",
         "updated_at", "deleted_at"), 1),
    "members": (
        ("member_no", "workspace_key", "email", "role_name", "team_name", "is_robot", "activated_at", "deactivated_at",
         "created_at", "updated_at", "deleted_at"), 1),
    "member_feature_daily": (
        ("workspace_key", "member_no", "feature_key", "activity_date", "event_count", "active_minutes",
         "updated_at"), 4),
    "seat_snapshots": (("workspace_key", "snapshot_date", "seats_paid", "seats_activated", "updated_at"), 2),
    "channel_spend": (("month", "channel", "kind", "amount", "updated_at"), 3),
}  # fmt: skip


def workspace_key(number: int) -> str:
    """Return a workspace's key in the product."""
    return f"ws_{number:05d}"


class Product:
    """Keeps the product's database in step with the world.

    Args:
        sandbox: The sandbox.
        url: SQLAlchemy URL of an existing database that the sandbox alone uses.

    Raises:
        PerennialError: The database is not reachable.
    """

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self.sandbox = sandbox
        self._url = make_url(url)
        self._fingerprint = sandbox.world.fingerprint()
        usage = sandbox.world.usage
        self._by_first = usage.first_at  # usage is in this order
        self._final_order = np.argsort(usage.final_at, kind="stable")
        self._by_final = usage.final_at[self._final_order]
        try:
            self._connection = self._connect()
        except psycopg.OperationalError as error:
            shown = self._url.render_as_string(hide_password=True)
            raise PerennialError(
                f"the sandbox cannot connect to the product's database {shown}: {str(error).splitlines()[0]}",
                cure="create it, or correct --product-url",
            ) from None

    @property
    def reader_url(self) -> URL:
        """The URL of the read-only login."""
        name = f"{self._url.database}_reader"
        return self._url.set(username=name, password=self.sandbox.secret("product"))

    async def run(self) -> None:
        """Follow the world until cancelled, between API calls, so that database and API show the same state."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.tick()
            except psycopg.OperationalError:
                self._reconnect()  # the server may be down for a while, or stop before the sandbox does

    def close(self) -> None:
        self._connection.close()

    def _reconnect(self) -> None:
        try:
            self._connection = self._connect()
        except psycopg.OperationalError:
            return

    def _connect(self) -> psycopg.Connection[Any]:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True, connect_timeout=10, options="-c lock_timeout=20s")

    def load(self) -> None:
        """Resume from the database's progress. Start over if it holds another world, or the future.

        Raises:
            PerennialError: There are tables with these names that the sandbox did not create.
        """
        self._refuse_foreign_tables()
        now = self.sandbox.now()
        filled = self._filled_to()
        if filled is None or filled > now:
            with self._connection.transaction():
                self._create(now)
            return
        self._grant()
        # Rows that came due while the sandbox was down are stamped now: readers may have read past their own time
        # already.
        self._fill(filled, now, not_before=now)

    def _filled_to(self) -> int | None:
        present = self._connection.execute("select to_regclass('sandbox.progress') is not null").fetchone()
        if not present or not present[0]:
            return None
        row = self._connection.execute("select world, filled_to from sandbox.progress").fetchone()
        return row[1] if row and row[0] == self._fingerprint else None

    def _refuse_foreign_tables(self) -> None:
        query = "select to_regclass('sandbox.progress') is null, to_regnamespace('sandbox') is not null"
        query += "".join(f", to_regclass('{name}') is not null" for name in UPSERT)
        row = self._connection.execute(query).fetchone() or (False,)
        found = [name for name, is_there in zip(("schema sandbox", *UPSERT), row[1:], strict=True) if is_there]
        if row[0] and found:
            raise PerennialError(
                f"{self._url.database} contains {', '.join(found)}, which the sandbox did not create",
                cure="give the sandbox a database of its own with --product-url",
            )

    def _create(self, now: int) -> None:
        execute = self._connection.execute
        execute("drop schema if exists sandbox cascade")
        execute(f"drop table if exists {', '.join(UPSERT)}")
        execute(TABLES)
        for table, rows in self._due(-1, now):
            self._copy(table, rows)
        self._copy("member_feature_daily", self._stray_rows(now))
        execute(KEYS)
        execute("insert into sandbox.progress values (%s, %s)", (self._fingerprint, now))
        self._grant()

    def _grant(self) -> None:
        """Create Perennial's login, which may only read the product's tables."""
        url = self.reader_url
        name = sql.Identifier(str(url.username))
        exists = self._connection.execute("select 1 from pg_roles where rolname = %s", (url.username,)).fetchone()
        if not exists:
            self._connection.execute(sql.SQL("create role {} login").format(name))
        self._connection.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(str(url.password))))
        tables = sql.SQL(", ").join(sql.Identifier(table) for table in UPSERT)
        self._connection.execute(sql.SQL("grant select on {} to {}").format(tables, name))

    def tick(self) -> None:
        """Write all rows that are due. Start over if the world's clock was turned back."""
        now = self.sandbox.now()
        until = now - int(float(self.sandbox.switches.get("product.hold_seconds", 0)) * 1000)
        filled = self._filled_to()
        if filled is None or filled > now:
            with self._connection.transaction():
                self._create(now)
        elif filled < until:
            self._fill(filled, until)

    def resync(self) -> None:
        """Update workspaces and members after a mutation. Erased ones are deleted without a trace."""
        now = self.sandbox.now()
        with self._connection.transaction():
            for table, rows in itertools.islice(self._due(-1, now), 2):
                self._upsert(table, rows)
                key = sql.Identifier(UPSERT[table][0][0])
                gone = sql.SQL("delete from {} where not {} = any(%s)").format(sql.Identifier(table), key)
                self._connection.execute(gone, ([row[0] for row in rows],))

    def count(self, table: str) -> int:
        row = self._connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
        return row[0] if row else 0

    def reload(self) -> None:
        """Delete everything and fill the history again."""
        with self._connection.transaction():
            self._create(self.sandbox.now())

    def _fill(self, since: int, until: int, not_before: int | None = None) -> None:
        with self._connection.transaction():
            for table, rows in self._due(since, until, not_before):
                self._upsert(table, rows)
            self._connection.execute("update sandbox.progress set filled_to = %s", (until,))

    def _upsert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        columns, n_keys = UPSERT[table]
        self._connection.execute(
            sql.SQL("create temp table fresh (like {}) on commit drop").format(sql.Identifier(table))
        )
        self._copy("fresh", rows, columns)
        names = [sql.Identifier(column) for column in columns]
        self._connection.execute(
            sql.SQL("insert into {} select * from fresh on conflict ({}) do update set {}").format(
                sql.Identifier(table),
                sql.SQL(", ").join(names[:n_keys]),
                sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in names[n_keys:]),
            )
        )
        self._connection.execute("drop table fresh")

    def _copy(self, table: str, rows: Iterable[tuple[Any, ...]], columns: tuple[str, ...] = ()) -> None:
        columns = columns or UPSERT[table][0]
        statement = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def _due(self, since: int, until: int, not_before: int | None = None) -> Iterator[tuple[str, list[Any]]]:
        """Yield the rows of each table that appear or change after one time and up to another."""
        stamp = None if not_before is None else moment(not_before)
        touched = {
            kind: [item for item in self.sandbox.store.items(kind).values() if since < item.touched_at <= until]
            for kind in ("workspace", "member")
        }
        yield "workspaces", [_workspace(item, stamp) for item in touched["workspace"]]
        yield "members", [_member(item, stamp) for item in touched["member"]]
        yield "member_feature_daily", self._usage(since, until, stamp)
        yield "seat_snapshots", self._seats(since, until, stamp)
        yield "channel_spend", self._spend(since, until, stamp)

    def _usage(self, since: int, until: int, stamp: Any) -> list[tuple[Any, ...]]:
        usage = self.sandbox.world.usage
        first = np.arange(*np.searchsorted(self._by_first, (since, until), side="right"))
        final = self._final_order[slice(*np.searchsorted(self._by_final, (since, until), side="right"))]
        partial = first[usage.final_at[first] > until]
        rows = self._rows(partial, usage.partial[partial], usage.first_at[partial], True, stamp)
        return rows + self._rows(final, usage.events[final], usage.final_at[final], False, stamp)

    def _rows(self, chosen: np.ndarray, events: np.ndarray, at: np.ndarray, is_partial: bool, stamp: Any) -> list[Any]:
        usage = self.sandbox.world.usage
        minutes = usage.minutes[chosen]
        if is_partial:
            minutes = np.round(minutes * events / usage.events[chosen], 1)
        keys = {number: workspace_key(number) for number in np.unique(usage.workspace[chosen]).tolist()}
        days = {number: day_of(number * DAY) for number in np.unique(usage.day[chosen]).tolist()}
        columns = (
            usage.workspace[chosen],
            usage.member[chosen],
            usage.feature[chosen],
            usage.day[chosen],
            events,
            minutes,
            at,
        )
        return [
            (keys[workspace], member, FEATURES[feature], days[day], count, spent, stamp or moment(when))
            for workspace, member, feature, day, count, spent, when in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def _seats(self, since: int, until: int, stamp: Any) -> list[tuple[Any, ...]]:
        low, high = (since - SEATS_AT) // DAY, (until - SEATS_AT) // DAY
        return [
            (workspace_key(number), day_of(day * DAY), paid, activated, stamp or moment((day + 1) * DAY + SEATS_AT))
            for number, day, paid, activated in self.sandbox.world.seats
            if low <= day < high
        ]

    def _spend(self, since: int, until: int, stamp: Any) -> list[tuple[Any, ...]]:
        """Return what the channels cost, booked when each month is over."""
        booked = [(millis(add_months(row[0], 1)), row) for row in growth.spend(self.sandbox.world.span)]
        return [(*row, stamp or moment(at)) for at, row in booked if since < at <= until]

    def _stray_rows(self, now: int) -> list[tuple[Any, ...]]:
        """Dirt: usage of an unknown workspace."""
        from include.sandbox import parameters as p

        anchor = self.sandbox.world.span.anchor.toordinal() - 719_163
        days = [anchor - 10 - 7 * position for position in range(p.DIRT["unknown_workspace_rows"])]
        return [
            ("ws_99999", 99_999, "dashboards", day_of(day * DAY), 3, 4.5, moment((day + 1) * DAY))
            for day in days
            if (day + 1) * DAY <= now
        ]


def _workspace(item: Item, stamp: Any) -> tuple[Any, ...]:
    values = item.values
    return (
        workspace_key(item.id),
        values["name"],
        str(values["crm_ref"]) if values.get("crm_ref") else None,
        values.get("domain"),
        values["plan"],
        values["internal"],
        moment(item.created_at),
        stamp or moment(item.touched_at),
        moment(item.deleted_at) if item.deleted_at else None,
    )


def _member(item: Item, stamp: Any) -> tuple[Any, ...]:
    values = item.values
    return (
        item.id,
        workspace_key(values["workspace"]),
        values["email"],
        values["role"],
        values["team"],
        values["is_bot"],
        moment(values["activated_at"]) if values.get("activated_at") else None,
        moment(values["deactivated_at"]) if values.get("deactivated_at") else None,
        moment(item.created_at),
        stamp or moment(item.touched_at),
        moment(item.deleted_at) if item.deleted_at else None,
    )
