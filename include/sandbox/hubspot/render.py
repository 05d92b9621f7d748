"""Records as HubSpot returns them: every value a string or null."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from include.sandbox.core import Sandbox
from include.sandbox.http import iso_ms, parse_moment
from include.sandbox.hubspot import billing
from include.sandbox.hubspot.associations import associated
from include.sandbox.hubspot.schema import OF_STYLE, ObjectType, Property
from include.sandbox.store import Item

_TOTALS = ("hs_tcv", "hs_acv", "hs_arr", "hs_mrr")
_BILLING = {*_TOTALS, "amount", "hs_pre_discount_amount", "hs_recurring_billing_period", "hs_term_in_months",
            "hs_recurring_billing_end_date", "hs_recurring_billing_number_of_payments"}  # fmt: skip
APP_BASE = "https://app.hubspot.com/contacts/1234567/record"


def text(value: Any, kind: str = "string") -> str | None:
    """Return a value of the world as HubSpot prints it. A string is unchanged, and so is "" for a cleared value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(str(each) for each in value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, date):
        return f"{value.isoformat()}T12:00:00Z" if kind == "datetime" else value.isoformat()
    if kind == "datetime":
        return iso_ms(int(value))
    return str(value)


def properties_of(kind: ObjectType, sandbox: Sandbox) -> dict[str, Property]:
    """Return the portal's properties of a type, including those made through the API, without removed ones."""
    style = sandbox.world.style
    own = {name: each for name, each in kind.properties.items() if style in OF_STYLE.get((kind.name, name), (style,))}
    made = {
        name: Property(
            name,
            each["type"],
            options=tuple(each["options"]),
            unique=each["hasUniqueValue"],
            label=each["label"],
            option_labels=tuple(each["option_labels"]),
            is_own=True,
        )
        for name, each in sandbox.switches.get("hubspot.properties", {}).get(kind.name, {}).items()
    }
    gone = set(sandbox.switches.get("hubspot.removed_properties", []))
    return {name: each for name, each in (own | made).items() if name not in gone}


def value_of(sandbox: Sandbox, kind: ObjectType, item: Item, prop: Property) -> str | None:
    if prop.name == "hs_object_id":
        return str(item.id)
    if prop.name == kind.created:
        return iso_ms(item.created_at)
    if prop.name == kind.modified:
        return iso_ms(item.updated_at)
    if item.kind == "line_item" and prop.name in _BILLING:
        return text(billing.shown(item.values, prop.name), prop.type)
    if item.kind == "deal" and prop.name in _TOTALS:
        return text(_total(sandbox, item, prop.name), prop.type)
    if prop.read_only and not prop.source:
        return _derived(sandbox, item, prop.name)
    return text(item.values.get(prop.source or prop.name), prop.type)


def _total(sandbox: Sandbox, deal: Item, name: str) -> Decimal | None:
    """Return a deal's total: the sum over its lines."""
    lines = sandbox.store.items("line_item")
    known = [billing.totals(lines[number].values).get(name) for number, _ in associated(sandbox, deal, "line_item")]
    return sum((each for each in known if each is not None), Decimal()) if known else None


def _derived(sandbox: Sandbox, item: Item, name: str) -> str | None:
    if name.startswith("num_associated_"):
        return str(len(associated(sandbox, item, name.removeprefix("num_associated_").removesuffix("s"))))
    if name in ("associatedcompanyid", "hs_primary_associated_company"):
        return next((str(number) for number, primary in associated(sandbox, item, "company") if primary), None)
    if name == "hs_object_source_label":
        return "INTEGRATION" if item.kind == "task" else "CRM_UI"
    if item.kind != "task":
        return None
    done = item.values.get("hs_task_status") == "COMPLETED"
    due = parse_moment(item.values.get("hs_timestamp") or "")
    body = item.values.get("hs_task_body")
    return {
        "hs_task_is_completed": "1" if done else "0",
        "hs_task_is_overdue": "true" if not done and due is not None and due < sandbox.now() else "false",
        "hs_body_preview": body,
        "hs_body_preview_html": body and f"<html>\n <head></head>\n <body>\n {body}\n </body>\n</html>",
        "hs_body_preview_is_truncated": body and "false",
    }.get(name)


def show(
    sandbox: Sandbox,
    kind: ObjectType,
    item: Item,
    wanted: list[str] | None = None,
    history: list[str] | None = None,
    everything: bool = False,
) -> dict[str, Any]:
    """Return a record as in a response.

    Args:
        sandbox: The sandbox.
        kind: Its type.
        item: The record.
        wanted: Requested properties; unknown ones are ignored, as in the real API.
        history: Properties whose history is requested.
        everything: Return all non-null properties, as responses to writes do.
    """
    known = properties_of(kind, sandbox)
    names = [*(wanted or kind.shown), kind.created, kind.modified, "hs_object_id"]
    if everything:
        names = list(known)
    shown = {name: value_of(sandbox, kind, item, known[name]) for name in sorted(set(names)) if name in known}
    if everything:
        shown = {name: value for name, value in shown.items() if value is not None}
    answer: dict[str, Any] = {
        "id": str(item.id),
        "properties": shown,
        "createdAt": iso_ms(item.created_at),
        "updatedAt": iso_ms(item.updated_at),
        "archived": item.deleted_at is not None,
    }
    if item.deleted_at is not None:
        answer["archivedAt"] = iso_ms(item.deleted_at)
    if history:
        answer["propertiesWithHistory"] = {name: _history(known[name], item) for name in history if name in known}
    if item.kind != "task":
        answer["url"] = f"{APP_BASE}/{kind.type_id}/{item.id}"
    return answer


def _history(prop: Property, item: Item) -> list[dict[str, Any]]:
    """Return a property's history, newest first."""
    field = prop.source or prop.name
    entries = (
        _line_history(prop, item)
        if item.kind == "line_item" and prop.name in _BILLING
        else [(change.at, change.values[field]) for change in item.log if change.values.get(field) is not None]
    )
    return [
        {"value": text(value, prop.type) or "", "timestamp": iso_ms(at), "sourceType": "CRM_UI",
         "sourceId": "userId:2506600", "updatedByUserId": 2506600}
        for at, value in reversed(entries)
    ]  # fmt: skip


def _line_history(prop: Property, item: Item) -> list[tuple[int, Any]]:
    """Return the history of a calculated property as (time, value)."""
    values: dict[str, Any] = {}
    entries: list[tuple[int, Any]] = []
    for change in item.log:
        values |= change.values
        value = billing.shown(values, prop.name)
        if value is not None and (not entries or entries[-1][1] != value):
            entries.append((change.at, value))
    return entries
