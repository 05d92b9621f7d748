"""Salesforce as a source: accounts, contacts, users, opportunities, line items, and other objects in the mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from include.common import clock
from include.common.connections import Connection
from include.common.errors import Unavailable
from include.config.models import Settings
from include.connectors import positions
from include.connectors.base import Listed, Page, Position, Record, Request, Rights
from include.connectors.casting import time_or_none
from include.connectors.crm.mapped import MappedCrm
from include.connectors.crm.salesforce import history, pagination, queries
from include.connectors.crm.salesforce import objects as parts
from include.connectors.crm.salesforce.api import Found, Row, SalesforceApi, client, select
from include.connectors.crm.salesforce.objects import Part
from include.connectors.crm.salesforce.queries import Plan
from include.connectors.crm.salesforce.resources import CURSOR, ENTITIES_MAPPED, KEY_FIELD
from include.connectors.pagination import read_pages
from include.http.loops import Loops

_TASK = "Task"
# Salesforce's flag of an object -> the permission.
_WRITES = {"createable": "create", "updateable": "edit", "deletable": "delete"}
# Writing channel -> object -> required permissions.
_REQUIRED: dict[str, dict[str, tuple[str, ...]]] = {
    "crm_task": {_TASK: tuple(_WRITES)},
    "crm_field": {"Account": ("updateable",)},
}


class Salesforce(MappedCrm):
    """One Salesforce org.

    Args:
        connection: Host and connected app; see ``api.client``.
        settings: For lag, overlap and time zone.
    """

    vendor = "salesforce"
    name = "Salesforce"

    def __init__(self, connection: Connection, settings: Settings) -> None:
        super().__init__(connection, settings, client(connection, settings.allowed_plain_http_hosts), ENTITIES_MAPPED)
        self._api = SalesforceApi(self.client)
        self._parts = parts.of_mapping(self._mapping)
        self._loops = Loops()

    def rights(self, *, reads: bool, writes: Collection[str]) -> Rights:
        """Compare the login's permissions on the mapped and the written objects with those needed."""
        needed = {name: flags for channel in writes for name, flags in _REQUIRED[channel].items()}
        surplus = []
        for name in dict.fromkeys(name for objects in self._parts.values() for name in objects) if reads else ():
            described = self._api.describe(name)
            may = [verb for flag, verb in _WRITES.items() if described.get(flag) and flag not in needed.get(name, ())]
            surplus += [f"{', '.join(may)} on {name}"] if may else []
        missing = []
        if "crm_field" in writes and not self._api.describe("Account").get("updateable"):
            missing.append("edit on Account")
        if "crm_task" in writes:
            task = self._api.describe(_TASK)
            key: Row = next((each for each in task.get("fields", ()) if each["name"] == KEY_FIELD), {})
            missing += [f"{_WRITES[flag]} on Task" for flag in ("createable", "deletable") if not task.get(flag)]
            missing += [] if key.get("createable") else [f"edit on the field {KEY_FIELD} of Activity"]
        return Rights(tuple(missing), tuple(surplus))

    def counts(self, entity: str) -> dict[str, int] | None:
        found = [
            self._api.count(part.resource.sobject, plan.condition, is_all=False) for part, plan in self._each(entity)
        ]
        known = [each for each in found if each is not None]
        return {"": sum(known)} if len(known) == len(found) else None

    def ids(self, entity: str) -> Iterator[list[Listed]] | None:
        return (
            [(row["Id"], time_or_none(row.get(CURSOR))) for row in rows]
            for part, plan in self._each(entity)
            for rows in pagination.by_id(select(["Id", CURSOR], part.resource.sobject), plan.condition, self._api.query)
        )

    def _each(self, entity: str) -> Iterator[tuple[Part, Plan]]:
        return ((part, self._plan(entity, name)) for name, part in self._objects(entity).items())

    def history(self, entity: str, *, mark: Position | None = None) -> Iterator[Page]:
        """Yield earlier states. Salesforce stores them only for fields with history tracking."""
        part = next(iter(self._objects(entity).values()))
        history_object, key = part.resource.history_source
        if not history_object or not self._fields(history_object):
            return iter(())
        plan = self._plan(entity, part.resource.sobject)
        return read_pages(
            f"Salesforce's history of {entity} records",
            Request(clock.now(), mark=mark),
            start=lambda done: {"phase": "history", "id": ""},
            step=lambda here: history.step(self._api, plan, part, (history_object, key), here),
        )

    def _start(self, entity: str, done: Position | None, request: Request) -> Position:
        objects = self._objects(entity)
        # Detect a wrong mapping before anything is read. The response also shows the vendor's clock.
        known = {name: self._check_offered(entity, name, done is None, self._plan) for name in objects}
        lo, hi = self._since(done, request), self._until(request.until)
        if lo is None or done is None:
            return parts.begin(tuple(objects), None, hi, {})
        ends = {
            name: at for name, at in done["ends"].items() if name in known and hi - at < (known[name].refresh or hi)
        }
        return parts.begin(tuple(objects), lo, hi, ends)

    def _step(self, entity: str, here: Position) -> tuple[list[Record], Position]:
        objects = self._objects(entity)
        if here["object"] not in objects:
            # The mapping lost the object in the middle of its read. Read the others from where they ended.
            return [], parts.begin(tuple(objects), here["from"], here["hi"], here["ends"])
        part, plan = objects[here["object"]], self._plan(entity, here["object"])
        kind, _, name = here["phase"].partition(":")
        if kind == "rows":
            step = pagination.by_clock(here, plan.select, self._ask, _clock, plan.condition)
        elif kind == "parent":
            step = pagination.by_parent(here, plan.select, self._ask, plan.condition)
        else:
            step = self._related_step(plan, name, here)
        queries.add_related(self._api, plan, step.rows)
        records = [queries.record(plan, row) for row in step.rows]
        if not step.is_over:
            return records, step.there
        there = self._repeat_if_incomplete(part, plan, step.there) or pagination.following(step.there, plan.phases)
        return records, there or parts.advance(tuple(objects), step.there)

    def _related_step(self, plan: Plan, name: str, here: Position) -> pagination.Step:
        """Read the records whose related records changed."""
        related = next((one for one in plan.related if one.sobject == name), None)
        if related is None:  # no longer mapped
            return pagination.Step([], here, is_over=True)
        asked = select(["Id", CURSOR, related.key], related.sobject)
        step = pagination.by_clock(here, asked, self._ask, _clock)
        ids = dict.fromkeys(row[related.key] for row in step.rows if row.get(related.key))
        return pagination.Step(list(self._api.by_ids(plan.select, "Id", ids)), step.there, step.is_over)

    def _repeat_if_incomplete(self, part: Part, plan: Plan, there: Position) -> Position | None:
        """Compare a pass with Salesforce's own count; return where to begin again if rows are missing.

        Rows edited in the meantime have left the count but were read, so only a count above the rows read is a problem.
        """
        if there["phase"] != "rows" or not (pagination.is_full_pass(there) or there.get("is_renewed")):
            return None
        sobject = part.resource.sobject
        counted = self._api.count(
            sobject, " AND ".join(filter(None, (plan.condition, pagination.since(there), pagination.before(there))))
        )
        if counted is None or counted <= there["rows"]:
            return None
        if there.get("is_again"):
            raise Unavailable(
                f"Salesforce counts {counted} rows of {sobject}, but returned {there['rows']}",
                cure="run again; if it persists, ask Salesforce support",
            )
        return pagination.repeat(there)

    def _ask(self, soql: str, locator: str) -> Found:
        found = self._api.more(locator) if locator else self._api.query(soql)
        self._loops.check("Salesforce's /query", locator, found.locator, (str(row.get("Id")) for row in found.rows))
        return found

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def _fields(self, sobject: str) -> dict[str, Row]:
        return self._api.fields(sobject)

    def _types(self, name: str) -> dict[str, str]:
        return {field: str(described.get("type", "")) for field, described in self._fields(name).items()}

    @cache  # noqa: B019 - as above
    def _plan(self, entity: str, name: str) -> Plan:
        part = self._parts[entity][name]
        return queries.make(self._api, self._mapping, part, self._fields(part.resource.sobject), self._zone)


def _clock(row: Row) -> int | None:
    at: Any = time_or_none(row.get(CURSOR))
    return positions.milliseconds(at) if at else None


SOURCE = Salesforce
