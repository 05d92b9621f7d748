"""History of Salesforce records. History objects store a field, its old and new value, and the time of the change.

They cover only fields with history tracking, for about 18 months. Whether an opportunity was closed or won cannot be
tracked; it follows from the stage at that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from include.connectors.base import Position, Record
from include.connectors.casting import time_or_none
from include.connectors.crm.salesforce.api import Row, SalesforceApi, checked_id, select
from include.connectors.crm.salesforce.objects import Part
from include.connectors.crm.salesforce.queries import Plan, add_related, record
from include.connectors.crm.salesforce.resources import IDS_PER_QUERY
from include.connectors.history import states
from include.connectors.pagination import check_keyset

_FIELDS = ("Field", "OldValue", "NewValue", "CreatedDate")
# This entry means that the history is complete since the record was created.
_CREATED = "created"
_OF_STAGE = {"is_closed": "IsClosed", "is_won": "IsWon"}
_Entries = dict[str, list[tuple[datetime, Any]]]


def step(
    api: SalesforceApi, plan: Plan, part: Part, history_object: tuple[str, str], here: Position
) -> tuple[list[Record], Position]:
    """Return the earlier states of the next records by id, all states of one record together.

    Args:
        api: The org.
        plan: How the records are read.
        history_object: The object that stores their history, and its field with the record's id.
        here: Where to continue.
    """
    after = f" WHERE Id > '{checked_id(here['id'])}'" if here["id"] else ""
    found = api.query(f"{plan.select}{after} ORDER BY Id LIMIT {IDS_PER_QUERY}")
    rows = found.rows
    check_keyset("Salesforce", rows, found.total, here["id"])
    if not rows:
        return [], {"phase": "done", "at": 0}
    add_related(api, plan, rows)
    changes: dict[str, list[Row]] = {}
    sobject, key = history_object
    for change in api.by_ids(select([key, *_FIELDS], sobject), key, [row["Id"] for row in rows]):
        changes.setdefault(change[key], []).append(change)
    stages = _stages(api, part) if changes else {}
    states_of = [
        state
        for row in rows
        if row["Id"] in changes
        for state in _earlier_states(plan, part, row, changes[row["Id"]], stages)
    ]
    return states_of, {"phase": "history", "id": rows[-1]["Id"]}


def _earlier_states(plan: Plan, part: Part, row: Row, changes: list[Row], stages: Mapping[str, Row]) -> list[Record]:
    now, born = record(plan, row), time_or_none(row.get("CreatedDate"))
    changes = sorted(changes, key=lambda change: str(change["CreatedDate"]))
    since = born or time_or_none(changes[0]["CreatedDate"])
    if since is None:
        return []
    timelines: _Entries = {}
    for column, rule in part.mapping.columns.items():
        if entries := _entries(changes, rule.property, since):
            timelines[column] = [
                (at, plan.mapper.record(now.id, {rule.property: value}, at).values[column]) for at, value in entries
            ]
            if rule.property == "StageName":
                timelines |= _of_stage(part, entries, stages)
    if any(change["Field"] == _CREATED for change in changes):
        # Tracked from the beginning and never changed: the current value was always valid.
        timelines |= {column: [(since, value)] for column, value in now.values.items() if column not in timelines}
    return states(now, timelines, born)


def _entries(changes: list[Row], name: str, since: datetime) -> list[tuple[datetime, Any]]:
    """Return the values of one field, each with the time from which it was valid."""
    entries: list[tuple[datetime, Any]] = []
    for change in changes:
        at = time_or_none(change["CreatedDate"])
        if at is None or not _is_of(change, name):
            continue
        if not entries:
            entries.append((since, change["OldValue"]))
        entries.append((at, change["NewValue"]))
    return entries


def _is_of(change: Row, name: str) -> bool:
    """Return whether a change is one of this field.

    Salesforce stores two for a reference: one with names, one with ids.
    """
    if change["Field"] == name:
        return True
    if not name.endswith("Id") or change["Field"] != name.removesuffix("Id"):
        return False
    return all(value is None or _looks_like_id(value) for value in (change["OldValue"], change["NewValue"]))


def _looks_like_id(value: Any) -> bool:
    try:
        return bool(checked_id(value)) and any(character.isdigit() for character in value[:5])
    except ValueError:
        return False


def _stages(api: SalesforceApi, part: Part) -> dict[str, Row]:
    """Return the meaning of each stage, if it is needed."""
    columns = part.mapping.columns
    wanted = any(name in columns and columns[name].property == field for name, field in _OF_STAGE.items())
    if not wanted or not api.fields("OpportunityStage"):
        return {}
    rows = api.everything(select(["ApiName", "IsClosed", "IsWon"], "OpportunityStage"), is_all=False)
    return {row["ApiName"]: row for row in rows}


def _of_stage(part: Part, entries: list[tuple[datetime, Any]], stages: Mapping[str, Row]) -> _Entries:
    return {
        column: [(at, bool(stages[stage][field])) for at, stage in entries if stage in stages]
        for column, field in _OF_STAGE.items()
        if stages and column in part.mapping.columns and part.mapping.columns[column].property == field
    }
