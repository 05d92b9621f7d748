"""History of HubSpot records: HubSpot keeps about twenty earlier values of each property."""

from __future__ import annotations

from typing import Any

from include.connectors.base import Record
from include.connectors.casting import time_or_none as moment
from include.connectors.crm.hubspot.objects import Part
from include.connectors.crm.hubspot.records import record
from include.connectors.history import states
from include.connectors.mapping import Mapper

Row = dict[str, Any]


def tracked_properties(part: Part) -> dict[str, str]:
    """Return column -> property, for the columns with history."""
    columns = part.mapping.columns
    return {
        name: columns[name].property
        for name in part.resource.tracked_columns
        if name in columns and columns[name].property
    }


def earlier_states(part: Part, mapper: Mapper, rows: list[Row]) -> list[Record]:
    """Return the states of a page's records, each record's oldest first."""
    return [state for row in rows for state in _of_row(part, mapper, row)]


def _of_row(part: Part, mapper: Mapper, row: Row) -> list[Record]:
    now = record(mapper, part.resource, row)
    kept = row.get("propertiesWithHistory") or {}
    born = moment(row.get("createdAt"))
    unset = mapper.record(now.id, {}, None).values
    timelines = {}
    for column, name in tracked_properties(part).items():
        # Cast like a current value. A value that does not fit was not a valid value then either.
        entries = [
            (at, mapper.record(now.id, {name: entry.get("value")}, at).values[column])
            for entry in kept.get(name) or []
            if (at := moment(entry.get("timestamp")))
        ]
        if entries:  # else it never changed
            timelines[column] = [(born, unset[column]), *entries] if born and unset[column] is not None else entries
    return states(now, timelines, born)
