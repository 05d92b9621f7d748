"""Track what is not completely read: its figures are not available, never 0.

An entity of a source counts once its first load is complete. Until then its rows are hidden (``visible``). A source
that was read once and then fell behind, because of an outage or because it was removed from the settings and added
again, has figures up to its watermark. Usage of later days is unknown, and metrics that need the entity have no value
in periods that end later. A delay of a day is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include import config
from include.entities.catalog import ENTITIES, VENDORS, of_kind
from include.gate import availability
from include.models import health, metrics, value
from include.warehouse.engine import has_table

# Day of entities that were never completely read. The calendar begins here.
NEVER = date(1990, 1, 1)
# All accounts, as the account of a change.
ALL_ACCOUNTS = "*"
_ALLOWED = timedelta(hours=24)


@dataclass(frozen=True)
class Change:
    """A change outside the loaded rows, and what it can alter.

    Args:
        origin: The table that differs: ``raw.<entity>``, ``meta.<setting>``, or a table of sums.
        from_day: First day that differs; None for all days.
    """

    origin: str
    from_day: date | None
    reason: str
    account_key: str = ALL_ACCOUNTS


def visible(query: str, entities: tuple[str, ...]) -> str:
    """Return a staging query without the rows of sources with an entity that was never completely read."""
    named = ", ".join(f"'{name}'" for name in entities)
    return (
        f"select * from (\n{query}\n) as whole_query\n"  # noqa: S608 - names of entities
        "where source <> all (array(\n"
        f"    select u.source from meta.unread as u where u.entity in ({named}) and u.from_day = '{NEVER}'\n"
        "))"
    )


def sync(connection: sa.Connection, newest: date) -> list[Change]:
    """Update ``meta.unread`` and ``meta.metric_gap``. Called while no batch merges.

    Args:
        connection: The transaction that plans a forward build.
        newest: The day that counts as today.

    Returns:
        The changes that the build must carry.
    """
    zone = ZoneInfo(config.load().reporting_zone)
    # A configured source counts as unread until it has loaded something.
    now = {(source.id, entity.name): NEVER for source in config.load().sources for entity in of_kind(source.kind)}
    for row in connection.execute(_READ):
        now.pop((row.source, row.entity), None)
        whole_until = (row.read_until + _ALLOWED).astimezone(zone).date() if row.read_until else None
        from_day = whole_until + timedelta(days=1) if whole_until else NEVER
        if from_day <= newest:
            now[row.source, row.entity] = from_day
    before = {(row.source, row.entity): row.from_day for row in connection.execute(_UNREAD)}
    changes = [
        Change(f"raw.{entity}", None, f"{source} {entity}: first load {'started' if is_never else 'finished'}")
        for source, entity in sorted(now.keys() | before.keys())
        if (is_never := now.get((source, entity)) == NEVER) != (before.get((source, entity)) == NEVER)
    ]
    fill(connection, "unread", [{"source": s, "entity": e, "from_day": day} for (s, e), day in now.items()])
    return changes + _sync_metrics(connection, now)


def record(connection: sa.Connection, build_id: str, changes: list[Change]) -> None:
    """Add changes to those that a build carries to downstream tables."""
    if changes:
        connection.execute(
            _RECORD,
            [
                {"build_id": build_id, "origin": each.origin, "account": each.account_key, "day": each.from_day}
                for each in changes
            ],
        )


def behind(connection: sa.Connection) -> dict[str, frozenset[str]]:
    """Return kind of source -> accounts whose figures are missing today because the source is behind."""
    found = {}
    for kind, table, part in (("product", "core.usage_gap", ""), ("support", "core.account_gap", "part = 'tickets'")):
        if has_table(connection, table):
            where = f" where {part}" if part else ""
            found[kind] = frozenset(
                connection.execute(sa.text(f"select account_key from {table}{where}")).scalars()  # noqa: S608
            )
    return found


def why_incomplete(connection: sa.Connection, needs: tuple[str, ...]) -> str:
    """Return which of a metric's entities are not completely read, and since when; "" if all are."""
    entities = [need.partition(".")[0] for need in needs]
    rows = connection.execute(
        sa.text(
            "select source, entity, from_day from meta.unread where entity = any(:entities)"
            " and (exists (select from meta.cursor as c where c.source = unread.source and c.entity = unread.entity)"
            " or exists (select from meta.verdict as v where v.source = unread.source and v.entity = unread.entity))"
            " order by 1, 2"
        ),
        {"entities": entities},
    )
    reasons = [
        f"the first load of {row.entity} from {row.source} is not finished"
        if row.from_day == NEVER
        else f"{row.entity} of {row.source} has been read only up to {row.from_day - timedelta(days=1)}"
        for row in rows
        if config.load().source(row.source)
    ]
    return "; ".join(reasons)


def _sync_metrics(connection: sa.Connection, unread: dict[tuple[str, str], date]) -> list[Change]:
    # Mapped line items that are not read yet may be half of the contracts.
    without_lines = {
        (source, availability.LINES)
        for source in availability.contracts_without_lines()
        if availability.LINES not in availability.judged(source)
    }
    gaps = _entity_gaps({key: day for key, day in unread.items() if day != NEVER or key not in without_lines})
    needs = {metric.id: metric.needs for metric in metrics.load().values()}
    tables = {metric.id: metric.table for metric in metrics.load().values()}
    for score, table in ((health, health.INPUT), (value, value.INPUT)):
        for name, entities in score.load().needs.items():
            needs[score.GAP + name], tables[score.GAP + name] = entities, table
    # A score leaves out a column that no record fills, for all accounts. A KPI reports its coverage instead.
    columns = {need for needed in value.load().needs.values() for need in needed if "." in need}
    columns -= {"account.brand"} if config.load().value.brands else set()
    gaps |= {need: NEVER for need in columns if not connection.execute(_is_filled(need)).scalar()}
    now: dict[str, date] = {}
    for name, needed in needs.items():
        own = needed if name.startswith(value.GAP) else ()
        found = {*own, *(need.partition(".")[0] for need in needed)}
        days = [gaps[each] for each in found if each in gaps]
        if days:
            now[name] = min(days)
    before = {row.metric_id: row.from_day for row in connection.execute(_GAPS)}
    fill(connection, "metric_gap", [{"metric_id": name, "from_day": day} for name, day in now.items()])
    since: dict[str, date] = {}
    for name in now.keys() | before.keys():
        if now.get(name) != before.get(name) and name in tables:
            day = min(each for each in (now.get(name), before.get(name)) if each)
            since[tables[name]] = min(day, since.get(tables[name], day))
    return [Change(table, day, f"{table}: not completely read since {day}") for table, day in sorted(since.items())]


def _is_filled(need: str) -> sa.TextClause:
    """Return the query that asks whether any record fills a column of an entity. Names come from this project only."""
    entity, _, column = need.partition(".")
    return sa.text(f"select exists (select from raw.{ENTITIES[entity].kind}__{entity} where {column} is not null)")  # noqa: S608


def _entity_gaps(unread: dict[tuple[str, str], date]) -> dict[str, date]:
    """Return entity -> day from which figures of groups are not available.

    If several sources share a kind, a source in its first load is left out of the figures until the load is complete. A
    source that has fallen behind is part of the figures, so they are not available until it catches up.
    """
    found: dict[str, date] = {}
    by_kind: dict[str, list[str]] = {}
    for source in config.load().sources:
        by_kind.setdefault(source.kind, []).append(source.id)
    for kind in set(VENDORS.values()):
        sources = by_kind.get(kind, [])
        for entity in of_kind(kind):
            days = [unread[source, entity.name] for source in sources if (source, entity.name) in unread]
            behind = [day for day in days if day != NEVER]
            if behind:
                found[entity.name] = min(behind)
            elif days and len(days) == len(sources):
                found[entity.name] = NEVER
    return found


def fill(connection: sa.Connection, table: str, rows: list[dict[str, object]]) -> None:
    """Replace the rows of a small table of ``meta``. Called with names from this code only."""
    connection.exec_driver_sql(f"delete from meta.{table}")  # noqa: S608 - see the docstring
    if rows:
        names = list(rows[0])
        connection.execute(
            sa.text(
                f"insert into meta.{table} ({', '.join(names)})"  # noqa: S608
                f" values ({', '.join(f':{name}' for name in names)})"
            ),
            rows,
        )


# An entity with merged rows has a cursor. Its ``read_until`` is null until a read is finished.
_READ = sa.text("select source, entity, read_until from meta.cursor")
_UNREAD = sa.text("select source, entity, from_day from meta.unread")
_GAPS = sa.text("select metric_id, from_day from meta.metric_gap")
_RECORD = sa.text(
    "insert into meta.build_change (build_id, origin, account_key, from_day)"
    " values (:build_id, :origin, :account, :day)"
)
