"""HubSpot's owners: a short list that is read completely each time, because it cannot be filtered by change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.connectors.base import Position, Record
from include.connectors.mapping import ColumnRule, Mapper
from include.connectors.pagination import by_cursor
from include.entities.catalog import ENTITIES

Row = dict[str, Any]
_MAPPER = Mapper(
    ENTITIES["owner"],
    {
        column: ColumnRule(property=field)
        for column, field in {
            "email": "email",
            "first_name": "firstName",
            "last_name": "lastName",
            "user_id": "user_id",
            "owner_type": "type",
            "team": "team",
            "is_active": "is_active",
            "created_at": "createdAt",
            "updated_at": "updatedAt",
        }.items()
    },
)


def owners_step(
    position: Position, page: Callable[[str | None, bool], tuple[list[Row], str | None]]
) -> tuple[list[Row], Position]:
    """Read one page: active owners first, then deactivated ones, which still own records."""
    is_archived = position["phase"] == "archived"
    end = {"phase": "done", "at": position["hi"]} if is_archived else position | {"phase": "archived", "after": None}
    return by_cursor(position, lambda after: page(after, is_archived), end)


def owner_record(row: Row) -> Record:
    """Return an owner as a record. A deactivated owner is not active, but not deleted either."""
    teams = row.get("teams") or []
    team = next((one for one in teams if one.get("primary")), teams[0] if teams else {})
    flat = row | {
        "user_id": row.get("userId") or row.get("userIdIncludingInactive"),
        "team": team.get("name"),
        "is_active": not row.get("archived"),
    }
    record = _MAPPER.record(str(row["id"]), flat, None)
    return Record(record.id, record.values, record.payload, record.values["updated_at"], problems=record.problems)
