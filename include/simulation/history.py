"""Rebuild the tables that signals and playbooks read, for every day of a past period.

The queries of ``sql/actions/`` also make today's tables. Here they get another newest day, and ignore everything that
happened after it. They read the current tables: figures by day, and facts with their time. Undated values, such as an
account's name or an exclusion, are today's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta

import sqlalchemy as sa

from include.common import clock
from include.common.errors import ConfigError
from include.decide.rules.subjects import Table, table
from include.models import registry, settings_tables
from include.models.materialize import execute
from include.warehouse.engine import engine


@dataclass(frozen=True)
class History:
    """A period of past days.

    Args:
        connection: Sees the tables of these days, and may change only them.
    """

    connection: sa.Connection
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def table(self, about: str) -> Table:
        """Return the table of a kind of subject, with a row for each of these days."""
        return replace(table(about), name=f"pg_temp.past_{about}")


@contextmanager
def replayed(first: date, last: date, abouts: Collection[str]) -> Iterator[History]:
    """Create the tables of a period for the duration of the block.

    Raises:
        ConfigError: The days are not built.
    """
    with engine("builder").connect() as connection, connection.begin() as transaction:
        _check(connection, first, last)
        history = History(connection, first, last)
        connection.exec_driver_sql("set local work_mem = '128MB'; set local jit = off")
        # The same query runs for each day. A generic plan would not know which months each day needs.
        connection.exec_driver_sql("set local plan_cache_mode = force_custom_plan")
        for about in sorted({*abouts, *(["account"] if "contact" in abouts else [])}):
            _make(history, about, {**settings_tables.parameters(), "known_at": clock.now(), "accounts": None})
        yield history
        transaction.rollback()


def _check(connection: sa.Connection, first: date, last: date) -> None:
    built = connection.execute(
        sa.text("select min(first_day), max(newest_day) from meta.build where kind = 'forward' and state = 'done'")
    ).one()
    if built[0] is None or not built[0] <= first <= last <= built[1]:
        there = f"{built[0]} to {built[1]} are" if built[0] else "no days are"
        raise ConfigError(f"{first} to {last} cannot be replayed: only {there} built", cure="choose days in this range")


def _make(history: History, about: str, fixed: Mapping[str, object]) -> None:
    source = table(about)
    subject = history.table(about)
    columns = ", ".join(f"{name} {kind}" for name, kind in subject.types.items())
    history.connection.exec_driver_sql(f"create temp table past_{about} ({columns}) on commit drop")
    query = registry.get(source.name).query
    if about == "contact":
        # Use the accounts of that day, not today's.
        query = query.replace(table("account").name, "(select * from past_account where as_of_day = :newest) as there")
    names = ", ".join(subject.types)
    for day in history.days:
        execute(
            history.connection,
            f"insert into past_{about} ({names}) select {names} from (\n{query}\n) as made",  # noqa: S608
            {**fixed, "newest": day, "start": day, "end": day + timedelta(days=1), "daily_days": 0},
        )
    if about == "renewal":
        # A term that had not started yet could not be renewed.
        history.connection.exec_driver_sql("delete from past_renewal where term_start > as_of_day")
    history.connection.exec_driver_sql(f"create index on past_{about} (as_of_day, {subject.key})")
    history.connection.exec_driver_sql(f"analyze past_{about}")
