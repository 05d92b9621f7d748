"""Mutations: changes of vendor records by tests and demos.

Body of POST /_control/mutate:
  {"kind": "company", "id": 1001, "set": {"industry": "x"}}       fields in the world's words, or HubSpot's properties
  {"kind": "ticket", "id": 7, "op": "delete" | "restore" | "erase"}
  {"kind": "company", "op": "create", "set": {...}, "count": 3}    `count` copies with the same timestamp
  {"kind": "company", "id": 1001, "op": "merge", "into": 1002}     merges the first into the second
  {"kind": "contact", "op": "touch", "ids": [..] or absent}        all, or these, change in the same millisecond
`at` sets the time (ISO or ms; by default now), `quiet` leaves the vendor's update time unchanged.
"""

from __future__ import annotations

from typing import Any

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, parse_moment
from include.sandbox.hubspot.schema import OF_KIND
from include.sandbox.store import Item
from include.sandbox.world.records import NUMBERING, Change

ACTIVITIES = ("call", "meeting", "email", "note", "invoice", "feedback", "milestone", "objective")
# kind: (kinds that refer to it, their field), to move when two records are merged.
REFERENCES = {
    "company": (("contact", "company"), ("deal", "company"), ("company", "parent"), ("organization", "external"),
                ("workspace", "crm_ref"), *((kind, "company") for kind in ACTIVITIES)),
    "contact": tuple((kind, "contact") for kind in ACTIVITIES),
    "organization": (("support_user", "organization"), ("ticket", "organization")),
    "support_user": (("ticket", "requester"),),
}  # fmt: skip
DESK_KINDS = ("organization", "support_user")
# Zendesk and the product are not notified of merges in the CRM.
NOT_FOLLOWED = {("company", "organization"), ("company", "workspace")}


def mutate(sandbox: Sandbox, body: dict[str, Any]) -> dict[str, Any]:
    """Apply one mutation. Return which records it touched.

    Raises:
        Refusal: The body is invalid, or names a missing record.
    """
    kind, op = body.get("kind"), body.get("op", "set")
    if kind not in NUMBERING and kind not in ("task", "sf_task"):
        raise Refusal(400, {"error": f"unknown kind {kind}; known: {', '.join([*NUMBERING, 'task'])}"})
    at = _at(sandbox, body.get("at"))
    fields, quiet = _fields(kind, body.get("set") or {}), bool(body.get("quiet"))
    if op == "create":
        return {"ids": _create(sandbox, kind, at, fields, int(body.get("count", 1)))}
    if op == "touch":
        return {"ids": _touch(sandbox, kind, at, fields, body.get("ids"))}
    item = _item(sandbox, kind, body.get("id"))
    if op == "merge":
        _merge(sandbox, item, _item(sandbox, kind, body.get("into")), at)
    elif op in ("set", "delete", "restore", "erase"):
        sandbox.store.write(kind, item.id, Change(at, fields, op, quiet))
    else:
        raise Refusal(400, {"error": f"unknown op {op}"})
    return {"ids": [item.id]}


def _at(sandbox: Sandbox, given: Any) -> int:
    now = sandbox.now()
    at = now if given is None else parse_moment(str(given))
    if at is None:
        raise Refusal(400, {"error": f"{given} is not a time"})
    return at


def _fields(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    properties = OF_KIND[kind].properties if kind in OF_KIND else {}
    return {(properties[name].source or name) if name in properties else name: value for name, value in given.items()}


def _item(sandbox: Sandbox, kind: str, number: Any) -> Item:
    item = sandbox.store.items(kind).get(int(number)) if str(number).isdigit() else None
    if item is None:
        raise Refusal(404, {"error": f"there is no {kind} {number}"})
    return item


def _create(sandbox: Sandbox, kind: str, at: int, fields: dict[str, Any], count: int) -> list[int]:
    """Create records like the last one of their kind, with the given fields changed."""
    pattern = next((i.values for i in reversed(list(sandbox.store.live(kind)))), {})
    made = []
    for _ in range(count):
        number = sandbox.store.next_id(kind)
        sandbox.store.write(kind, number, Change(at, {**_plain(pattern), **fields}))
        made.append(number)
    return made


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return fields in types that the journal can store."""
    simple = (str, int, float, bool, list, dict, type(None))
    return {name: value if isinstance(value, simple) else str(value) for name, value in values.items()}


def _touch(sandbox: Sandbox, kind: str, at: int, fields: dict[str, Any], ids: Any) -> list[int]:
    touched = [item.id for item in sandbox.store.live(kind) if ids is None or item.id in ids]
    for number in touched:
        sandbox.store.write(kind, number, Change(at, fields))
    return touched


def _merge(sandbox: Sandbox, loser: Item, winner: Item, at: int) -> None:
    kind = loser.kind
    for other_kind, field in REFERENCES.get(kind, ()):
        if (kind, other_kind) in NOT_FOLLOWED:
            continue
        for item in list(sandbox.store.items(other_kind).values()):
            # A closed ticket never changes: it stays with the merged organisation.
            is_closed = other_kind == "ticket" and item.values.get("status") == "closed"
            if item.values.get(field) == loser.id and not is_closed:
                sandbox.store.write(other_kind, item.id, Change(at, {field: winner.id}, quiet=True))
    merged = [*(winner.values.get("merged_ids") or []), *(loser.values.get("merged_ids") or []), loser.id]
    sandbox.store.write(kind, winner.id, Change(at, {"merged_ids": merged}))
    # In the CRM the loser disappears without a trace; Zendesk still shows it as deleted.
    sandbox.store.write(kind, loser.id, Change(at, op="delete" if kind in DESK_KINDS else "erase"))
