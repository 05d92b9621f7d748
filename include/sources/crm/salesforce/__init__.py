"""Salesforce as a source: accounts, contacts, users, opportunities and their line items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from include.config.files import shown
from include.config.models import Settings
from include.connections import Connection
from include.errors import ConfigError, Unavailable
from include.sources import positions
from include.sources.base import Page, Position, Record
from include.sources.cast import caster
from include.sources.crm.salesforce import walks
from include.sources.crm.salesforce.api import Found, Row, SalesforceApi, client, select
from include.sources.crm.salesforce.resources import CURSOR, RESOURCES, Related, Resource
from include.sources.entities import ENTITIES, Kind, of_kind
from include.sources.mapping import Mapper, file_of, load_mapping
from include.sources.walk import walk

_moment = caster("timestamptz")
_HOUR = 3_600_000


class _Plan(NamedTuple):
    """How one object is read today, from its description and the mapping.

    Args:
        select: The query up to FROM and the object.
        mapper: Turns its rows into records.
        phases: What follows the rows when only changes are read.
        related: Related objects whose fields are mapped -> those fields.
        refresh: After so many milliseconds everything is read again; None where no mapped field is calculated.
    """

    select: str
    mapper: Mapper
    phases: tuple[str, ...]
    related: Mapping[Related, tuple[str, ...]]
    refresh: int | None


class Salesforce:
    """One Salesforce org.

    Args:
        connection: Where it is and the connected app to read it by.
        settings: For lag, overlap and zone.
    """

    vendor = "salesforce"
    kind: Kind = "crm"

    def __init__(self, connection: Connection, settings: Settings) -> None:
        source = settings.source(connection.id)
        self._lag = timedelta(seconds=source.lag_seconds if source else 300)
        self._trailing = 1000 * (source.trailing_seconds if source else 3600)
        self._zone = ZoneInfo(settings.reporting_zone)
        self._api = SalesforceApi(client(connection, settings.allowed_plain_http_hosts))
        self._mapping = load_mapping(file_of(source, self.vendor), [resource.entity for resource in RESOURCES])
        self._resources = {one.entity: one for one in RESOURCES if one.entity in self._mapping.entities}

    def entities(self) -> tuple[str, ...]:
        """See ``Source``. An entity that the mapping leaves out is not available."""
        return tuple(one.name for one in of_kind("crm") if one.name in self._resources)

    def read(
        self,
        entity: str,
        *,
        position: Position | None,
        mark: Position | None = None,
        until: datetime,
        since: datetime | None = None,
        full: bool = False,
    ) -> Iterator[Page]:
        """See ``Source``."""
        if entity not in self._resources:
            raise ConfigError(
                f"Salesforce has no entity {entity} in this configuration",
                cure=f"available: {', '.join(self.entities())}; see {shown(self._mapping.document.path)}",
            )
        return walk(
            f"Salesforce's {entity} records",
            position=position,
            mark=mark,
            full=full,
            start=lambda done: self._start(entity, done, until, since, full),
            step=partial(self._step, entity),
        )

    def _start(
        self, entity: str, done: Position | None, until: datetime, since: datetime | None, full: bool
    ) -> Position:
        plan = self._plan(entity)  # a wrong mapping shows before anything is read; the answer also tells the clock
        behind = timedelta(seconds=max(0.0, -self._api.client.skew_seconds))
        hi = positions.milliseconds(until - self._lag - behind)
        if full or done is None or (plan.refresh is not None and hi - done.get("whole_at", 0) >= plan.refresh):
            return walks.whole(hi)
        lo = done["at"] - self._trailing
        return walks.changes(min(lo, positions.milliseconds(since)) if since else lo, hi, done)

    def _step(self, entity: str, here: Position) -> tuple[list[Record], Position]:
        resource, plan = self._resources[entity], self._plan(entity)
        kind, _, name = here["phase"].partition(":")
        if kind == "rows":
            step = walks.by_clock(here, plan.select, self._ask, _clock)
        elif kind == "parent":
            step = walks.by_parent(here, plan.select, self._ask)
        else:
            step = self._related_step(resource, plan, name, here)
        there = step.there
        if step.is_over:
            there = self._counted(resource, there) or walks.following(there, plan.phases)
        return self._records(resource, plan, step.rows), there

    def _related_step(self, resource: Resource, plan: _Plan, name: str, here: Position) -> walks.Step:
        """Read the records whose related ones have changed."""
        related = next((one for one in plan.related if one.sobject == name), None)
        if related is None:  # it is not mapped any more
            return walks.Step([], here, is_over=True)
        asked = select(["Id", CURSOR, related.key], related.sobject)
        step = walks.by_clock(here, asked, self._ask, _clock)
        ids = dict.fromkeys(row[related.key] for row in step.rows if row.get(related.key))
        return walks.Step(list(self._api.by_ids(plan.select, "Id", ids)), step.there, step.is_over)

    def _counted(self, resource: Resource, there: Position) -> Position | None:
        """Compare a walk over everything with Salesforce's own count; return where to begin again if rows are missing.

        Rows edited meanwhile have left the count, and are read twice: only a count that is higher says something.
        """
        if there["phase"] != "rows" or not walks.is_whole(there):
            return None
        counted = self._api.count(resource.sobject, walks.before(there))
        if counted is None or counted <= there["rows"]:
            return None
        if there.get("is_again"):
            raise Unavailable(
                f"Salesforce counts {counted} rows of {resource.sobject}, but shows {there['rows']}",
                cure="run again; if it stays so, ask Salesforce's support",
            )
        return walks.whole(there["hi"], is_again=True)

    def _ask(self, soql: str, locator: str) -> Found:
        return self._api.more(locator) if locator else self._api.query(soql)

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def _plan(self, entity: str) -> _Plan:
        resource, mapping = self._resources[entity], self._mapping.entities[entity]
        fields = self._api.fields(resource.sobject)
        mapped = tuple(dict.fromkeys([*(rule.property for rule in mapping.columns.values()), *mapping.keep]))
        related, parents, known = self._beside(resource, mapped, fields)
        self._mapping.check_properties(entity, known, f"Salesforce's {resource.sobject}")
        mapper = Mapper(ENTITIES[entity], mapping.columns, mapping.keep, self._zone)
        own = [name for name in mapper.properties if name.partition(".")[0] not in {one.sobject for one in related}]
        extra = [name for name in ("Id", CURSOR, "IsDeleted", "MasterRecordId") if name in fields]
        extra += [one.same for one in related if one.same]
        is_calculated = any(fields.get(name, {}).get("calculated") for name in own) or bool(mapping.refresh)
        return _Plan(
            select([*extra, *own], resource.sobject),
            mapper,
            (*(f"parent:{name}" for name in parents), *(f"related:{one.sobject}" for one in related)),
            related,
            mapping.refresh_hours * _HOUR if is_calculated else None,
        )

    def _beside(
        self, resource: Resource, mapped: tuple[str, ...], fields: Mapping[str, Row]
    ) -> tuple[dict[Related, tuple[str, ...]], list[str], set[str]]:
        """Return the related objects and the parents that dotted fields lead to, and all fields that are known."""
        known = set(fields)
        related: dict[Related, tuple[str, ...]] = {}
        parents: list[str] = []
        for first in dict.fromkeys(name.partition(".")[0] for name in mapped if "." in name):
            beside = next((one for one in resource.related if one.sobject == first), None)
            link = next((each for each in fields.values() if each.get("relationshipName") == first), None)
            if beside:
                theirs = set(self._api.fields(beside.sobject))
                wanted = (name.partition(".")[2] for name in mapped if name.startswith(f"{first}."))
                related[beside] = tuple(name for name in wanted if name in theirs)
            elif link and link.get("referenceTo"):
                theirs = set(self._api.fields(link["referenceTo"][0]))
                parents.append(first)
            else:
                continue
            known |= {f"{first}.{name}" for name in theirs}
        return related, parents, known

    def _records(self, resource: Resource, plan: _Plan, rows: list[Row]) -> list[Record]:
        self._add_related(plan, rows)
        is_account = resource.entity == "account"
        return [_record(plan.mapper, row, is_account) for row in rows]

    def _add_related(self, plan: _Plan, rows: list[Row]) -> None:
        """Put the values of related records into the rows, several of them as a multi-select list."""
        for related, names in plan.related.items():
            by_id = {row["Id"]: row for row in rows}
            for row in by_id.values():
                row[related.sobject] = {}
            asked = select(filter(None, (related.key, related.same, *names)), related.sobject)
            for other in self._api.by_ids(asked, related.key, by_id, is_all=False):
                row = by_id[other[related.key]]
                if related.same and other[related.same] != row[related.same]:
                    continue
                for name in names:
                    parts = str(other[name] or "").split(";") + str(row[related.sobject].get(name) or "").split(";")
                    row[related.sobject][name] = ";".join(sorted(set(filter(None, parts)))) or None


def _record(mapper: Mapper, row: Row, is_account: bool) -> Record:
    record = mapper.record(str(row["Id"]), row, _time(row.get(CURSOR)), bool(row.get("IsDeleted")))
    survivor = row.get("MasterRecordId")
    if survivor:
        record.payload["merged_into"] = survivor
    if is_account:
        record.values["merged_into"] = survivor
    return record


def _time(text: Any) -> datetime | None:
    try:
        return _moment(text)
    except ValueError:
        return None


def _clock(row: Row) -> int | None:
    at = _time(row.get(CURSOR))
    return positions.milliseconds(at) if at else None


SOURCE = Salesforce
