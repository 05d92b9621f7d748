"""The org's records: the world's records as Salesforce stores them, including deleted and merged ones."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from include.sandbox import parameters as p
from include.sandbox.core import Sandbox
from include.sandbox.salesforce import ids
from include.sandbox.salesforce.schema import HISTORIES, RECORD_TYPES, ROLES, SOBJECTS, STAGES, Field, SObject
from include.sandbox.store import Item
from include.sandbox.world.records import DAY, MINUTE, day_of, moment

RECYCLE_BIN = 15 * DAY
# References. When one changes, SystemModstamp moves, even if other vendors' update times do not.
_REFERENCES = {"company", "deal", "owner", "parent"}
# A subscription's formulas: its own value, else its contract's.
_OF_CONTRACT = {"SBQQ__StartDate__c": "term_start", "SBQQ__EndDate__c": "term_last_day"}


@dataclass(frozen=True)
class Entry:
    """One record of an object.

    Args:
        number: The number encoded in its id.
        values: The world's fields.
        created: Milliseconds since 1970.
        modified: SystemModstamp.
        deleted: When it was moved to the recycle bin; None if it is live.
        master: The number of the record that it was merged into, or None.
    """

    number: int
    values: dict[str, Any]
    created: int
    modified: int
    deleted: int | None = None
    master: int | None = None


def entries(sandbox: Sandbox, sobject: SObject) -> dict[int, Entry]:
    """Return an object's records by number, including those in the recycle bin."""
    now = sandbox.now()
    kept = sandbox.__dict__.setdefault("_salesforce_entries", {})
    if sobject.name not in kept or kept[sobject.name][0] != sandbox.store.version:
        kept[sobject.name] = sandbox.store.version, {one.number: one for one in _made(sandbox, sobject)}
    found: dict[int, Entry] = kept[sobject.name][1]
    if all(one.deleted is None or one.deleted > now - RECYCLE_BIN for one in found.values()):
        return found
    return {one: each for one, each in found.items() if each.deleted is None or each.deleted > now - RECYCLE_BIN}


def fields_of(sandbox: Sandbox, sobject: SObject) -> dict[str, Field]:
    """Return an object's current fields."""
    switches = sandbox.switches
    found = dict(sobject.fields)
    for name in switches.get("salesforce.added_fields", []):
        owner, _, field = name.partition(".")
        if owner == sobject.name:
            found[field] = Field(field, source=field)
    for name, kind in switches.get("salesforce.retyped_fields", {}).items():
        owner, _, field = name.partition(".")
        if owner == sobject.name and field in found:
            found[field] = replace(found[field], type=kind)
    for name in switches.get("salesforce.calculated_fields", []):
        owner, _, field = name.partition(".")
        if owner == sobject.name and field in found:
            found[field] = replace(found[field], calculated=True, read_only=True)
    for name in switches.get("salesforce.plain_fields", []):
        owner, _, field = name.partition(".")
        if owner == sobject.name and field in found:
            found[field] = replace(found[field], unique=False)
    gone = {name.partition(".")[2] for name in switches.get("salesforce.removed_fields", [])
            if name.startswith(f"{sobject.name}.")}  # fmt: skip
    return {name: each for name, each in found.items() if name not in gone}


def value(sandbox: Sandbox, sobject: SObject, entry: Entry, field: Field) -> Any:
    """Return a field's JSON value."""
    own = _own(sobject, entry, field)
    given = own if own is not None else _derived(sobject, entry, field)
    if source := _OF_CONTRACT.get(field.name):
        contract = sandbox.store.items("contract").get(int(entry.values.get("contract") or 0))
        given = entry.values.get(source) or (contract.values.get(source) if contract else None)
    if given is None and field.source:
        given = entry.values.get(field.source)
    return _shown(field, given)


def datetime_text(at: int) -> str:
    """Return a time in Salesforce's format: to the second, without a colon in the zone."""
    return moment(at).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def number_of(name: str) -> int:
    """Return the number of a record that is identified only by its name."""
    return zlib.crc32(name.encode())


def _own(sobject: SObject, entry: Entry, field: Field) -> Any:
    if field.name == "Id":
        return ids.encode(sobject.prefix, entry.number)
    if field.name == "CreatedDate":
        return entry.created
    if field.name in ("LastModifiedDate", "SystemModstamp"):
        return entry.modified
    if field.name == "IsDeleted":
        return entry.deleted is not None
    if field.name == "MasterRecordId":
        return entry.master
    return None


def _derived(sobject: SObject, entry: Entry, field: Field) -> Any:
    values = entry.values
    if field.source:
        return None
    if sobject.name == "User":
        return {"IsActive": entry.values.get("_is_active", True), "UserType": "Standard", "Name": _full_name(values),
                "UserRoleId": number_of(values["team"]) if values.get("team") else None}.get(field.name)  # fmt: skip
    if sobject.name == "Contact" and field.name == "Name":
        return _full_name(values)
    if field.name == "RecordTypeId":
        return number_of(RECORD_TYPES.get(values.get("pipeline") or "", "New_Business"))
    if field.name == "Product2Id":
        return number_of(values["product"]) if values.get("product") else None
    if sobject.name == "Task" and field.name == "IsClosed":
        return values.get("Status") == "Completed"
    if sobject.name == "Task" and field.name == "AccountId":
        return values.get("WhatId")
    if sobject.name == "Event":
        return {"DurationInMinutes": 60, "EndDateTime": values["happened_at"] + 60 * MINUTE}.get(field.name)
    return values.get(field.name)


def _full_name(values: dict[str, Any]) -> str:
    return " ".join(filter(None, (values.get("first_name"), values.get("last_name"))))


def _shown(field: Field, given: Any) -> Any:
    if field.type == "boolean":
        return given if isinstance(given, bool) else str(given).lower() == "true"
    if field.type == "anyType":
        return given
    if given is None or given == "":  # an empty text is stored as null
        return None
    if field.type == "reference":
        return given if isinstance(given, str) else ids.encode(SOBJECTS[field.to].prefix, int(given))
    if field.type in ("double", "currency", "percent"):
        return _number(given)
    if field.type == "int":
        return None if (number := _number(given)) is None else int(number)
    if field.type == "date":
        return _date_text(given)
    if field.type == "datetime":
        return datetime_text(int(given))
    if isinstance(given, list):
        return ";".join(str(each) for each in given)
    text = str(given)
    return field.words.get(text, text)


def _number(given: Any) -> float | None:
    try:
        return float(Decimal(str(given).replace(",", "")))
    except InvalidOperation:
        return None


def _date_text(given: Any) -> str:
    if isinstance(given, int):
        return day_of(given).isoformat()
    if isinstance(given, datetime):
        return given.date().isoformat()
    return given.isoformat() if isinstance(given, date) else str(given)[:10]


def _made(sandbox: Sandbox, sobject: SObject) -> list[Entry]:
    if sobject.name == "AccountContactRelation":
        return _account_relations(sandbox)
    if sobject.name == "OpportunityContactRole":
        return _opportunity_roles(sandbox)
    if sobject.name == "OpportunityStage":
        return _stages()
    if parent := next((one for one, (name, _) in HISTORIES.items() if name == sobject.name), None):
        return _history(sandbox, SOBJECTS[parent])
    if not sobject.kind:
        return _named(sandbox, sobject)
    store = sandbox.store
    made = [_entry(sobject, item) for item in store.items(sobject.kind).values()]
    if sobject.name == "Task":
        made += _logged(sandbox)
    for loser, (master, at) in merges(sandbox, sobject.kind).items():
        tombstone = store.tombstones(sobject.kind).get(loser)
        if tombstone:
            made.append(Entry(loser, tombstone.values, tombstone.created_at, _second(at), _second(at), master))
    return made


def _entry(sobject: SObject, item: Item) -> Entry:
    modified = max(
        (change.at for change in item.log if not change.quiet or _REFERENCES & change.values.keys()),
        default=item.updated_at,
    )
    if sobject.name == "User":  # users are never deleted, only deactivated
        values = {**item.values, "_is_active": item.deleted_at is None}
        return Entry(item.id, values, item.created_at, _second(modified))
    deleted = None if item.deleted_at is None else _second(item.deleted_at)
    return Entry(item.id, item.values, item.created_at, _second(modified), deleted)


def _second(at: int) -> int:
    return at // 1000 * 1000


def merges(sandbox: Sandbox, kind: str) -> dict[int, tuple[int, int]]:
    """Return merged record -> the record that it was merged into, and when."""
    found: dict[int, tuple[int, int]] = {}
    items = [*sandbox.store.items(kind).values(), *sandbox.store.tombstones(kind).values()]
    for item in items:
        for change in item.log:
            for loser in change.values.get("merged_ids") or []:
                if loser not in found or change.at < found[loser][1]:
                    found[loser] = item.id, change.at
    return found


def _named(sandbox: Sandbox, sobject: SObject) -> list[Entry]:
    """Return the records that are identified only by their names."""
    if sobject.name == "UserRole":
        names = set(p.TEAMS)
    elif sobject.name == "RecordType":
        names = set(RECORD_TYPES.values())
    else:
        names = {str(item.values["product"]) for item in sandbox.store.items("line_item").values()
                 if item.values.get("product")}  # fmt: skip
    first = min((record.at for record in sandbox.world.records), default=0)
    extra = {"SobjectType": "Opportunity", "IsActive": True}
    return [
        Entry(number_of(name), {"Name": name.replace("_", " "), "DeveloperName": name, **extra}, first, _second(first))
        for name in sorted(names)
    ]


def _account_relations(sandbox: Sandbox) -> list[Entry]:
    """Return one relation per contact to its account, with the contact's roles there."""
    made = []
    for item in sandbox.store.items("contact").values():
        if not item.values.get("company"):
            continue
        at = max((change.at for change in item.log if {"role", "company"} & change.values.keys()),
                 default=item.created_at)  # fmt: skip
        words = [ROLES.get(role, role) for role in str(item.values.get("role") or "").split(";")]
        values = {"company": item.values["company"], "contact": item.id, "Roles": ";".join(words),
                  "IsDirect": True, "IsActive": True}  # fmt: skip
        deleted = None if item.deleted_at is None else _second(item.deleted_at)
        made.append(Entry(item.id, values, item.created_at, _second(max(at, item.deleted_at or 0)), deleted))
    return made


def _opportunity_roles(sandbox: Sandbox) -> list[Entry]:
    made = []
    contacts = sandbox.store.items("contact")
    for deal in sandbox.store.live("deal"):
        for place, number in enumerate((deal.values.get("contacts") or [])[:16]):
            contact = contacts.get(number)
            if contact is None or contact.deleted_at is not None:
                continue
            role = str(contact.values.get("role") or "").split(";")[0]
            values = {"deal": deal.id, "contact": number, "Role": ROLES.get(role, role), "IsPrimary": place == 0}
            at = max([deal.created_at, *(c.at for c in contact.log if "role" in c.values)])
            made.append(Entry(deal.id * 16 + place, values, deal.created_at, _second(at)))
    return made


def _logged(sandbox: Sandbox) -> list[Entry]:
    """Return the world's calls, mails and notes, which Salesforce keeps as completed tasks."""
    made = []
    kinds = {"call": "Call", "email": "Email", "note": "Task"}
    directions = {"INBOUND": "Inbound", "OUTBOUND": "Outbound"}
    for kind, subtype in kinds.items():
        for item in sandbox.store.items(kind).values():
            given = item.values
            values = {"Subject": given.get("title") or "Note", "Status": "Completed", "TaskSubtype": subtype,
                      "CallType": directions.get(given.get("direction") or ""), "WhatId": given.get("company"),
                      "WhoId": given.get("contact"), "OwnerId": given.get("owner"),
                      "ActivityDate": given["happened_at"]}  # fmt: skip
            plain = _entry(SOBJECTS["Task"], item)
            made.append(replace(plain, values=values))
    return made


def _stages() -> list[Entry]:
    made = []
    for name in sorted(set(STAGES.values())):
        values = {"ApiName": name, "MasterLabel": name, "IsClosed": name.startswith("Closed"),
                  "IsWon": name == "Closed Won", "IsActive": True}  # fmt: skip
        made.append(Entry(number_of(name), values, 0, 0))
    return made


def _history(sandbox: Sandbox, parent: SObject) -> list[Entry]:
    """Return an object's field history: one entry per changed field, two for a reference (ids and names)."""
    made: list[Entry] = []
    for item in sandbox.store.items(parent.kind).values():
        known: dict[str, Any] = {}
        for place, change in enumerate(item.log):
            before, known = known, known | change.values
            changed = [] if place else [("created", None, None)]
            if place:
                changed = [each for field in parent.fields.values()
                           for each in _difference(sandbox, parent, item, field, before, known)]  # fmt: skip
            for name, old, new in changed:
                values = {"parent": item.id, "Field": name, "OldValue": old, "NewValue": new}
                at = _second(change.at)
                made.append(Entry(item.id * 1000 + len(made) % 1000, values, at, at))
    return made


def _difference(
    sandbox: Sandbox, parent: SObject, item: Item, field: Field, before: dict[str, Any], now: dict[str, Any]
) -> list[tuple[str, Any, Any]]:
    if field.read_only or not field.source or field.source not in now:
        return []
    old, new = (value(sandbox, parent, Entry(item.id, each, 0, 0), field) for each in (before, now))
    if old == new:
        return []
    if field.type != "reference":
        return [(field.name, old, new)]
    names = [_name_of(sandbox, field, each.get(field.source)) for each in (before, now)]
    return [(field.relation, names[0], names[1]), (field.relation, old, new)]


def _name_of(sandbox: Sandbox, field: Field, number: Any) -> str | None:
    item = sandbox.store.items(SOBJECTS[field.to].kind).get(number) if number else None
    return str(item.values.get("name") or _full_name(item.values)) if item else None
