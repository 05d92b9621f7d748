"""Write tasks to HubSpot.

Each task carries its key in ``perennial_key``, a property that HubSpot keeps unique. Tasks are written by upsert on it,
so an uncertain write is simply repeated. An existing task is left unchanged, because its owner may have moved or
completed it. Associations are not part of an upsert: they are created after it and read back, because HubSpot accepts a
wrong association type silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import escape

from include.common.connections import Connection
from include.config import Settings
from include.connectors.casting import time_or_none
from include.deliver.channels.base import Outcome, TaskSnapshot, TaskState
from include.deliver.channels.crm_task import body
from include.deliver.channels.crm_task import hubspot_properties as properties
from include.deliver.channels.crm_task.hubspot_properties import KEY_PROPERTY, OUTCOME_PROPERTY
from include.http.client import Client, Refused
from include.http.loops import Loop
from include.outbox.store import Delivery

# HubSpot's association type from a task to a company.
TASK_TO_COMPANY = 192
_SHOWN = [
    KEY_PROPERTY,
    OUTCOME_PROPERTY,
    "hs_task_status",
    "hs_timestamp",
    "hubspot_owner_id",
    "hs_lastmodifieddate",
]
_STATES: dict[str, TaskState] = {"COMPLETED": "done", "IN_PROGRESS": "started", "WAITING": "started"}


class HubSpotTasks:
    """Writes tasks on companies."""

    name = "crm_task"
    batch_size = 100
    is_repeatable = True

    def __init__(self, client: Client) -> None:
        self._client = client
        self._has_properties = False
        self._owners: dict[str, str] | None = None
        self._ownerless: set[str] = set()

    @classmethod
    def connect(cls, connection: Connection, settings: Settings, reader: Connection) -> HubSpotTasks:
        """Return the channel of one portal.

        Args:
            reader: The connection that reads the portal.

        Raises:
            ConfigError: The connection is wrong.
        """
        from include.connectors.crm.hubspot.client import open_client

        return cls(open_client(connection, settings.allowed_plain_http_hosts, reader))

    def address(self, delivery: Delivery) -> str:
        """Return the id of the task's owner; "" for no owner, if the person is not a user of the CRM."""
        body.check(delivery)
        if body.closes(delivery):
            return ""
        return str(delivery.body.get("owner_id") or "") or self._owner_id(delivery.recipient)

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Write missing tasks, check that each is associated with its company, and complete tasks to close."""
        self._ensure_properties()
        outcomes = self._send_tasks([delivery for delivery in deliveries if not body.closes(delivery)])
        return outcomes | self._close_tasks([delivery for delivery in deliveries if body.closes(delivery)])

    def _send_tasks(self, deliveries: Sequence[Delivery]) -> dict[str, Outcome]:
        if not deliveries:
            return {}
        ids = self._existing([delivery.key for delivery in deliveries])
        missing = [delivery for delivery in deliveries if delivery.key not in ids]
        written, refused = self._write_tasks(missing)
        ids |= written
        existing = [delivery for delivery in deliveries if delivery.key in ids]
        linked = self._link(existing, ids) if existing else {}
        outcomes = {delivery.key: Outcome("later", "HubSpot's response does not include it") for delivery in deliveries}
        for delivery in existing:
            has_owner = bool(delivery.address) and delivery.key not in self._ownerless
            outcomes[delivery.key] = _outcome(delivery, ids[delivery.key], linked, has_owner)
        return outcomes | refused

    def _close_tasks(self, deliveries: Sequence[Delivery]) -> dict[str, Outcome]:
        """Complete tasks with a note. Tasks that somebody already completed or deleted are left unchanged."""
        outcomes: dict[str, Outcome] = {}
        for delivery in deliveries:
            found = self._task(delivery.body["closes"])
            if not found:
                outcomes[delivery.key] = Outcome("sent", "the task no longer exists")
                continue
            task, shown = str(found["id"]), found["properties"]
            if shown.get("hs_task_status") == "COMPLETED":
                outcomes[delivery.key] = Outcome("sent", "it was already completed", external_id=task)
                continue
            text = f"{escape(delivery.body['note'])}<br>\n<br>\n{shown.get('hs_task_body') or ''}"
            content = {"inputs": [{"id": task, "properties": {"hs_task_status": "COMPLETED", "hs_task_body": text}}]}
            try:
                self._write("/crm/v3/objects/tasks/batch/update", content)
            except Refused as error:
                outcomes[delivery.key] = Outcome("refused", str(error), external_id=task)
                continue
            outcomes[delivery.key] = Outcome("sent", external_id=task)
        return outcomes

    def _task(self, key: str) -> dict[str, Any]:
        wanted = {
            "idProperty": KEY_PROPERTY,
            "properties": ["hs_task_status", "hs_task_body"],
            "propertiesWithHistory": [],
            "inputs": [{"id": key}],
        }
        found = self._write("/crm/v3/objects/tasks/batch/read", wanted).get("results") or []
        return dict(found[0]) if found else {}

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return nothing: ``send`` looks up each key before it writes."""
        return {}

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Archive tasks, looked up by their keys. Tasks that their owner has completed stay."""
        wanted = {
            "idProperty": KEY_PROPERTY,
            "properties": [KEY_PROPERTY, "hs_task_status"],
            "propertiesWithHistory": [],
            "inputs": [{"id": delivery.key} for delivery in deliveries if not body.closes(delivery)],
        }
        found = self._write("/crm/v3/objects/tasks/batch/read", wanted).get("results") or []
        done = {task["properties"][KEY_PROPERTY] for task in found if _is_completed(task)}
        open_tasks = [{"id": str(task["id"])} for task in found if not _is_completed(task)]
        if open_tasks:
            self._write("/crm/v3/objects/tasks/batch/archive", {"inputs": open_tasks})
        return body.stay_closed(deliveries) | {str(key): "its owner has completed the task" for key in done}

    def read_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, TaskSnapshot]:
        """Return the current state of tasks. A missing task counts as deleted only if HubSpot lists it as archived."""
        found: dict[str, TaskSnapshot] = {}
        for start in range(0, len(deliveries), self.batch_size):
            batch = deliveries[start : start + self.batch_size]
            by_key = {delivery.key: delivery for delivery in batch}
            for task in self._read(list(by_key), id_property=KEY_PROPERTY):
                key = str(task["properties"].get(KEY_PROPERTY) or "")
                if key in by_key:
                    found[key] = _snapshot(by_key[key], task["properties"])
            by_id = {delivery.external_id: delivery.key for delivery in batch if delivery.key not in found}
            archived = self._read(list(by_id), is_archived=True) if by_id else []
            found |= {by_id[str(task["id"])]: TaskSnapshot("deleted") for task in archived if str(task["id"]) in by_id}
        return found

    def close(self) -> None:
        self._client.session.close()

    def _ensure_properties(self) -> None:
        if not self._has_properties:
            properties.ensure(self._client)
            self._has_properties = True

    def _existing(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the ids of existing tasks by key, read from the CRM itself, not from its search index."""
        return _ids({"results": self._read(keys, id_property=KEY_PROPERTY)})

    def _read(self, ids: Sequence[str], *, id_property: str = "", is_archived: bool = False) -> list[dict[str, Any]]:
        inputs = [{"id": each} for each in ids]
        wanted: dict[str, Any] = {"properties": _SHOWN, "propertiesWithHistory": [], "inputs": inputs}
        if id_property:
            wanted["idProperty"] = id_property
        call = self._client.call(
            "POST",
            "/crm/v3/objects/tasks/batch/read",
            params={"archived": "true"} if is_archived else None,
            json=wanted,
            is_repeatable=True,
        )
        return list((call.data or {}).get("results") or [])

    def _write_tasks(self, deliveries: Sequence[Delivery]) -> tuple[dict[str, str], dict[str, Outcome]]:
        """Return the ids of the tasks written, and the refusals.

        HubSpot refuses an owner who was deactivated since the last ingest. Such a task is written without an owner:
        people still see it on its company, while nobody sees a task that was not written.
        """
        ids, refused = self._upsert(deliveries)
        for delivery in deliveries:
            if delivery.address and delivery.key in refused and "owner" in refused[delivery.key].reason.lower():
                written, still_refused = self._upsert([replace(delivery, address="")])
                refused.pop(delivery.key)
                ids |= written
                refused |= still_refused
                self._ownerless.add(delivery.key)
        return ids, refused

    def _upsert(self, deliveries: Sequence[Delivery]) -> tuple[dict[str, str], dict[str, Outcome]]:
        if not deliveries:
            return {}, {}
        try:
            answer = self._write(
                "/crm/v3/objects/tasks/batch/upsert", {"inputs": [_input(item) for item in deliveries]}
            )
        except Refused as error:
            if len(deliveries) == 1:
                return {}, {deliveries[0].key: Outcome("refused", str(error))}
            # One wrong value makes HubSpot refuse the whole batch, so the tasks are written one by one.
            ids: dict[str, str] = {}
            refused: dict[str, Outcome] = {}
            for delivery in deliveries:
                written, not_written = self._upsert([delivery])
                ids |= written
                refused |= not_written
            return ids, refused
        ids = _ids(answer)
        return ids, {
            key: Outcome("refused", text) for key, text in _errors(answer, {item.key for item in deliveries}).items()
        }

    def _link(self, deliveries: Sequence[Delivery], ids: Mapping[str, str]) -> dict[str, set[str]]:
        """Create missing associations. Return task id -> companies, as read back."""
        wanted = {ids[delivery.key]: str(delivery.body["company_id"]) for delivery in deliveries}
        linked = self._companies(wanted)
        missing = [(task, company) for task, company in wanted.items() if company not in linked.get(task, set())]
        if not missing:
            return linked
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_TO_COMPANY}
        inputs = [{"from": {"id": task}, "to": {"id": company}, "types": [kind]} for task, company in missing]
        try:
            self._write("/crm/v4/associations/tasks/companies/batch/create", {"inputs": inputs})
        except Refused as error:
            if error.status not in (400, 404):
                raise
        # The answer is not proof of an association, so they are read back.
        return self._companies(wanted)

    def _companies(self, tasks: Iterable[str]) -> dict[str, set[str]]:
        wanted = {"inputs": [{"id": task} for task in tasks]}
        try:
            answer = self._write("/crm/v4/associations/tasks/companies/batch/read", wanted)
        except Refused as error:
            if error.status != 404:
                raise
            return {}
        return {
            str(result["from"]["id"]): {str(to["toObjectId"]) for to in result.get("to") or []}
            for result in answer.get("results") or []
        }

    def _owner_id(self, email: str) -> str:
        if self._owners is None:
            self._owners = self._read_owners()
        return self._owners.get(email.lower(), "")

    def _read_owners(self) -> dict[str, str]:
        owners: dict[str, str] = {}
        after, loop = None, Loop("HubSpot's list /crm/v3/owners")
        while True:
            page = self._client.get("/crm/v3/owners", {"limit": 100, "archived": "false", "after": after}).data
            owners |= {
                str(owner["email"]).lower(): str(owner["id"])
                for owner in page.get("results") or []
                if owner.get("email")
            }
            requested, after = after, ((page.get("paging") or {}).get("next") or {}).get("after")
            if not after:
                return owners
            loop.check(requested, after, (str(owner.get("id")) for owner in page.get("results") or []))

    def _write(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Send a call that is safe to repeat: every write here is idempotent, and the others are reads."""
        return self._client.call("POST", path, json=content, is_repeatable=True).data or {}


def _input(delivery: Delivery) -> dict[str, Any]:
    body = delivery.body
    properties = {
        KEY_PROPERTY: delivery.key,
        "hs_task_subject": body["subject"],
        "hs_task_body": body["html"],
        "hs_timestamp": body["due_at"],
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": body["priority"],
        "hs_task_type": "TODO",
    }
    if delivery.address:
        properties["hubspot_owner_id"] = delivery.address
    return {
        "idProperty": KEY_PROPERTY,
        "id": delivery.key,
        "objectWriteTraceId": delivery.key,
        "properties": properties,
    }


def _is_completed(task: Mapping[str, Any]) -> bool:
    return (task.get("properties") or {}).get("hs_task_status") == "COMPLETED"


def _ids(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids in an answer by key. Results are matched by key, never by position."""
    found = {}
    for result in answer.get("results") or []:
        key = (result.get("properties") or {}).get(KEY_PROPERTY) or result.get("objectWriteTraceId")
        if key:
            found[str(key)] = str(result["id"])
    return found


def _errors(answer: Mapping[str, Any], keys: set[str]) -> dict[str, str]:
    """Return the refusals in a 207 answer, by key."""
    refused = {}
    for error in answer.get("errors") or []:
        context = error.get("context") or {}
        named = [error.get("id"), *(value for values in context.values() for value in values)]
        for key in keys.intersection(str(name) for name in named if name):
            refused[key] = f"HubSpot refused the task: {error.get('message', 'no reason given')}"
    return refused


def _snapshot(delivery: Delivery, shown: Mapping[str, Any]) -> TaskSnapshot:
    due_at = time_or_none(shown.get("hs_timestamp"))
    return TaskSnapshot(
        _STATES.get(str(shown.get("hs_task_status")), "open"),
        due_at.astimezone(ZoneInfo(body.zone(delivery))).date() if due_at else None,
        str(shown.get("hubspot_owner_id") or ""),
        str(shown.get(OUTCOME_PROPERTY) or ""),
        time_or_none(shown.get("hs_lastmodifieddate")),
    )


def _outcome(delivery: Delivery, task: str, linked: Mapping[str, set[str]], has_owner: bool) -> Outcome:
    company = str(delivery.body["company_id"])
    if company not in linked.get(task, set()):
        return Outcome(
            "refused",
            f"task {task} was written, but HubSpot does not show it on company {company}"
            f" | associate task {task} with the company by hand; if the company was merged, ingest the CRM",
            external_id=task,
        )
    if not has_owner:
        return Outcome(
            "sent", f"without an owner: {delivery.recipient} is not an active user of the CRM", external_id=task
        )
    return Outcome("sent", external_id=task)
