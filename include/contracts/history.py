"""Collect what the rules need to know about a batch and the data before it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta

import holidays
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include.common import clock
from include.config import Settings
from include.config import loader as settings
from include.contracts import exempt, files, levels
from include.contracts.limits import CATEGORIES, COMES_LATER
from include.contracts.rule import BatchFacts
from include.entities.catalog import DATABASES, ENTITIES, VENDORS, Entity, of_kind, raw_table
from include.warehouse.engine import has_table

TRAILING = timedelta(days=28)
FEWEST_READS = 5
_SAMPLE = 5000
_MIN_SAMPLE = 50
_WEEKS = 4
_FEWEST_WEEKDAYS = 3
_RECENT = timedelta(days=3)
_MAX_VALUES = 50
# Rules whose finding can be accepted per column: empty columns, and unfamiliar values.
EMPTY, STRANGE = ("columns_filled", "nulls_usual"), "values_familiar"


def facts(connection: Connection, batch: RowMapping) -> BatchFacts:
    """Return the facts that the rules may use.

    Args:
        connection: Of the loader's role.
        batch: A row of ``meta.batch``.
    """
    entity = ENTITIES[batch["entity"]]
    raw = f"raw.{raw_table(batch['vendor'], entity.name)}"
    is_stored = has_table(connection, raw)
    is_full_end = bool(batch["is_full"] and batch["cursor_after"] is not None)
    seen = f"raw.seen_{batch['read_id'] or batch['batch_id']}"
    # For daily facts, counting the stored rows scans the whole table: only do it after a full read.
    counts = is_stored and not batch["is_first_load"] and (is_full_end or "day" not in entity.column_names)
    in_force = settings.load()
    now = clock.now()
    today = clock.day_in(in_force.reporting_zone, now)
    sample = _sample(connection, raw, batch["source"], entity) if is_stored else None
    landed = _landed(connection, batch["table_name"], entity, today) if batch["table_name"] else None
    n_today, largest_weekday = _weekday(connection, batch, today, in_force.reporting_zone)
    names = {"source": batch["source"], "entity": entity.name}
    accepted = list(connection.execute(_ACCEPTED, names).scalars()) if is_stored else []
    results = connection.execute(_ACCEPTED_RESULTS, {"ids": accepted}).all() if accepted else []
    days = levels.accepted(row.observed for row in results if row.observed.startswith("day "))
    emptied = _columns(results, *EMPTY)
    since = {name: _sample(connection, raw, batch["source"], entity, after=number) for name, number in emptied.items()}
    complete_day = _complete_day(landed, in_force) if is_stored and landed and not batch["is_first_load"] else None
    return BatchFacts(
        batch_id=batch["batch_id"],
        source=batch["source"],
        entity=entity,
        now=now,
        currency=in_force.currency,
        # Rows of an extract that was paused may have changed since it began.
        until=max(batch["until"], batch["closed_at"] or batch["until"]) if batch["until"] else None,
        today=today,
        limits=files.limits(entity.name),
        is_first_load=batch["is_first_load"],
        is_full=batch["is_full"],
        is_full_end=is_full_end,
        is_queried=batch["vendor"] in DATABASES.values(),
        is_replay=batch["is_replay"],
        n_rows=batch["n_rows"],
        table=f"raw.{batch['table_name']}" if batch["table_name"] else "",
        is_stored=is_stored,
        has_bad_rows=connection.execute(_HAS_BAD_ROWS, names).scalar_one(),
        accepted=tuple(accepted),
        accepted_days=days,
        days=_days(connection, batch, raw, levels.compared(complete_day, days)) if complete_day else {},
        n_stored=_count_stored(connection, raw, batch["source"], entity) if counts else None,
        largest_read=_largest_read(connection, batch),
        n_today=n_today + batch["n_rows"],
        largest_weekday=largest_weekday,
        complete_day=complete_day,
        filled=_filled(entity, sample, since, 0.5),
        well_filled=_filled(entity, sample, since, 0.9),
        values=_values(connection, raw, batch["source"], entity, _columns(results, STRANGE)) if sample else {},
        raw=raw,
        seen=seen if has_table(connection, seen) else "",
        tables=_tables(connection, batch, entity),
        crm_tables=_crm_tables(connection) if entity.is_account and entity.kind != "crm" else (),
        newest_at=landed["newest_at"] if landed else None,
        is_marked=bool(landed and landed["is_marked"]),
    )


# Batches that were held and then released by a person, not dropped.
_ACCEPTED = sa.text(
    "select batch_id from meta.batch where source = :source and entity = :entity and decided_by <> ''"
    " and hold_reason <> '' and state in ('closed', 'merged') order by batch_id"
)
_ACCEPTED_RESULTS = sa.text(
    "select batch_id, split_part(rule_id, '.', 3) as rule, observed from meta.rule_result"
    " where batch_id = any(:ids) and not is_passed order by batch_id"
)
_HAS_BAD_ROWS = sa.text(
    "select exists (select from quarantine.record where source = :source and entity = :entity"
    " and (state in ('open', 'waived') or (state = 'dropped' and decided_by <> '')))"
)


def _owned(entity: Entity, row: str) -> str:
    condition = exempt.has_owner(entity, row)
    return f" and {condition}" if condition else ""


def _count_stored(connection: Connection, raw: str, source: str, entity: Entity) -> int:
    owned = _owned(entity, "stored")
    query = f"select count(*) from {raw} as stored where source = :source and not _is_deleted{owned}"  # noqa: S608
    return connection.execute(sa.text(query), {"source": source}).scalar_one()


def _largest_read(connection: Connection, batch: RowMapping) -> int | None:
    """Return the rows of the largest incremental read of the last four weeks; None if there are too few reads."""
    found = connection.execute(
        sa.text(
            "select count(*) as n, max(n_rows) as largest from (select sum(n_rows) as n_rows from meta.batch"
            " where source = :source and entity = :entity and state = 'merged' and merged_at > :since"
            " and not is_first_load and not is_full and n_rows > 0 group by coalesce(read_id, batch_id)) as reads"
        ),
        {"source": batch["source"], "entity": batch["entity"], "since": clock.now() - TRAILING},
    ).one()
    return int(found.largest) if found.n >= FEWEST_READS else None


def _weekday(connection: Connection, batch: RowMapping, today: date, zone: str) -> tuple[int, int | None]:
    """Return the rows of today's reads before this batch, and the maximum of the same weekdays before."""
    days = [today - timedelta(weeks=week) for week in range(_WEEKS + 1)]
    rows = connection.execute(
        sa.text(
            "select cast(opened_at at time zone :zone as date) as day, sum(n_rows) as n_rows from meta.batch"
            " where source = :source and entity = :entity and state = 'merged' and batch_id <> :id"
            " and not is_first_load and not is_full and opened_at > :since"
            " and cast(opened_at at time zone :zone as date) = any(:days) group by 1"
        ),
        {
            "zone": zone,
            "source": batch["source"],
            "entity": batch["entity"],
            "id": batch["batch_id"],
            "since": clock.now() - timedelta(weeks=_WEEKS, days=1),
            "days": days,
        },
    )
    found = {row.day: int(row.n_rows) for row in rows}
    n_today = found.pop(today, 0)
    return n_today, max(found.values()) if len(found) >= _FEWEST_WEEKDAYS else None


def _landed(connection: Connection, table: str, entity: Entity, today: date) -> RowMapping:
    """Scan the batch once for its newest change and day, and whether an earlier check has marked its rows."""
    newest_day = (
        "max(day) filter (where not _is_deleted and day < :today and day >= :first)"
        if "day" in entity.column_names
        else "cast(null as date)"
    )
    query = (
        "select max(_source_at) filter (where not _is_deleted) as newest_at, bool_or(_failed is not null) as is_marked,"  # noqa: S608
        f" {newest_day} as newest_day from raw.{table}"
    )
    values = {"today": today, "first": today - _RECENT} if "day" in entity.column_names else {}
    return connection.execute(sa.text(query), values).mappings().one()


def _complete_day(landed: RowMapping, in_force: Settings) -> date | None:
    """Return the batch's newest completed day; None if it is too far back or a public holiday."""
    day: date | None = landed["newest_day"]
    country = in_force.people.calendars["default"].country if "default" in in_force.people.calendars else "US"
    return None if day is None or day in holidays.country_holidays(country) else day


def _days(connection: Connection, batch: RowMapping, raw: str, days: list[date]) -> dict[date, int]:
    """Return day -> number of rows, landed or stored."""
    rows = (
        f"select id, day from raw.{batch['table_name']} where not _is_deleted and day = any(:days) union"  # noqa: S608
        f" select id, day from {raw} where source = :source and not _is_deleted and day = any(:days)"
    )
    query = f"select day, count(*) as n from ({rows}) as every group by day"  # noqa: S608
    found = connection.execute(sa.text(query), {"source": batch["source"], "days": days})
    return {row.day: row.n for row in found}


def _columns(results: Iterable[sa.Row], *rules: str) -> dict[str, int]:
    """Return column -> last accepted batch in which one of these rules found something in it."""
    return {name: row.batch_id for row in results if row.rule in rules for name in row.observed.split(", ")}


def _sample(
    connection: Connection, raw: str, source: str, entity: Entity, *, after: int | None = None
) -> RowMapping | None:
    """Count the filled values of each column in a sample of the stored rows; None while too few rows are stored.

    Args:
        connection: As for ``facts``.
        raw: The table with the stored rows.
        source: Their connection.
        entity: Their entity.
        after: Only rows of later batches than this.
    """
    counts = ", ".join(f"count({name}) as {name}" for name in entity.column_names)
    later = f" and _batch_id > {after}" if after is not None else ""
    query = (
        f"select count(*) as n_, {counts} from"  # noqa: S608
        f" (select * from {raw} as stored where source = :source and not _is_deleted{_owned(entity, 'stored')}{later}"
        f" limit {_SAMPLE}) as sample"
    )
    found = connection.execute(sa.text(query), {"source": source}).mappings().one()
    return found if found["n_"] >= _MIN_SAMPLE else None


def _filled(
    entity: Entity, sample: RowMapping | None, since: Mapping[str, RowMapping | None], share: float
) -> tuple[str, ...]:
    """Return the columns filled in at least a share of the sample, without those that new records lack.

    A column accepted as empty counts as empty until later batches fill it again.
    """
    later = COMES_LATER.get(entity.name, frozenset())
    found = ((name, since.get(name, sample)) for name in entity.column_names if name not in later)
    return tuple(name for name, rows in found if rows is not None and rows[name] >= share * rows["n_"])


def _values(
    connection: Connection, raw: str, source: str, entity: Entity, accepted: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return column -> its values, for columns with few. Columns with accepted values are read in full, not sampled."""
    found = {}
    for column in CATEGORIES.get(entity.name, ()):
        limit = "" if column in accepted else f" limit {_SAMPLE}"
        query = (
            f"select distinct {column} from (select {column} from {raw} where source = :source and not _is_deleted"  # noqa: S608
            f" and {column} <> ''{limit}) as sample limit {_MAX_VALUES + 1}"
        )
        values = connection.execute(sa.text(query), {"source": source}).scalars().all()
        if 0 < len(values) <= _MAX_VALUES:
            found[column] = tuple(sorted(values))
    return found


def _crm_tables(connection: Connection) -> tuple[str, ...]:
    """Return the raw tables that contain CRM accounts."""
    found = []
    for vendor, kind in VENDORS.items():
        raw = f"raw.{raw_table(vendor, 'account')}"
        if kind != "crm" or not has_table(connection, raw):
            continue
        if connection.execute(sa.text(f"select exists (select from {raw})")).scalar():  # noqa: S608
            found.append(raw)
    return tuple(found)


def _tables(connection: Connection, batch: RowMapping, entity: Entity) -> dict[str, tuple[str, ...]]:
    """Return entity -> the tables with rows of this source: stored, or landed and not yet merged."""
    landed = connection.execute(
        sa.text(
            "select entity, table_name from meta.batch where source = :source and table_name <> ''"
            " and state in ('landing', 'closed', 'held') order by batch_id"
        ),
        {"source": batch["source"]},
    ).all()
    tables = {}
    for other in of_kind(entity.kind):
        raw = f"raw.{raw_table(batch['vendor'], other.name)}"
        found = [raw] if has_table(connection, raw) else []
        tables[other.name] = (*found, *(f"raw.{row.table_name}" for row in landed if row.entity == other.name))
    return tables
