"""Write tasks to Salesforce.

Each task carries its key in ``Perennial_Key__c``, a custom field of *Activity*. If the org allows that field to be a
unique external id, tasks are written by upsert on it, and an uncertain write is simply repeated. If not, a task is
created only after its key was looked up. An uncertain write is then looked up too, after Salesforce has had time to
finish it. An existing task is left unchanged, because its owner may have moved, completed or deleted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from include.common.connections import Connection
from include.common.errors import ConfigError, Forbidden
from include.config import Settings
from include.connectors.casting import time_or_none
from include.connectors.crm.salesforce.api import SalesforceApi, client, quoted, select
from include.connectors.crm.salesforce.resources import DATA, KEY_FIELD
from include.deliver.channels.base import Outcome, TaskSnapshot, TaskState
from include.deliver.channels.crm_task import body
from include.http.client import Refused, Uncertain
from include.outbox.store import Delivery

# If the org has this field, its value in a completed task becomes the alert's close reason.
OUTCOME_FIELD = "Perennial_Outcome__c"
LISTS = f"{DATA}/composite/sobjects"
_PRIORITIES = {"HIGH": "High", "MEDIUM": "Normal", "LOW": "Low"}
# Refusals that a retry may resolve.
_RETRYABLE = {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT"}
_NO_OWNER = {"INACTIVE_OWNER_OR_USER"}
_LONGEST_SUBJECT, _LONGEST_TEXT = 255, 32_000


class SalesforceTasks:
    """Writes tasks on accounts.

    Args:
        is_unique: Whether the org keeps the key unique and finds tasks by it.
    """

    name = "crm_task"
    batch_size = 200

    def __init__(self, api: SalesforceApi, is_unique: bool) -> None:
        self._api = api
        self.is_repeatable = is_unique
        self._owners: dict[str, str] = {}
        self._ownerless: set[str] = set()

    @classmethod
    def connect(cls, connection: Connection, settings: Settings) -> SalesforceTasks:
        """Return the channel of one org.

        Raises:
            ConfigError: The connection is wrong, or tasks have no field for the key.
        """
        api = SalesforceApi(client(connection, settings.allowed_plain_http_hosts))
        field = api.fields("Task").get(KEY_FIELD)
        if field is None or not field.get("createable"):
            raise ConfigError(
                f"connection {connection.id}: Salesforce's tasks have no field {KEY_FIELD} that this login may write,"
                " so tasks could be duplicated",
                cure=f"create {KEY_FIELD} on the object Activity: text of 64 characters, external id and unique where"
                " the org offers that, and give this login edit access",
            )
        return cls(api, bool(field.get("externalId")) and bool(field.get("unique")))

    def address(self, delivery: Delivery) -> str:
        """Return the id of the task's owner; "" if the person is not an active user: the login then owns it."""
        body.check(delivery)
        if body.closes(delivery):
            return ""
        return str(delivery.body.get("owner_id") or "") or self._owner_id(delivery.recipient)

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Write missing tasks, and complete tasks to close."""
        tasks = [delivery for delivery in deliveries if not body.closes(delivery)]
        ids = self._existing(delivery.key for delivery in tasks)
        outcomes = {
            delivery.key: _sent(delivery, ids[delivery.key], False) for delivery in tasks if delivery.key in ids
        }
        outcomes |= self._write([delivery for delivery in tasks if delivery.key not in ids])
        return outcomes | {delivery.key: self._close(delivery) for delivery in deliveries if body.closes(delivery)}

    def _close(self, delivery: Delivery) -> Outcome:
        """Complete a task with a note. A task that somebody already completed or deleted is left unchanged."""
        query = select(["Id", KEY_FIELD, "IsClosed", "IsDeleted", "Description"], "Task")
        found = next(iter(self._api.by_values(query, KEY_FIELD, [delivery.body["closes"]])), None)
        if found is None or found.get("IsDeleted"):
            return Outcome("sent", "the task no longer exists")
        task = str(found["Id"])
        if found.get("IsClosed"):
            return Outcome("sent", "it was already completed", external_id=task)
        text = f"{delivery.body['note']}\n\n{found.get('Description') or ''}"[:_LONGEST_TEXT]
        content = {"Status": "Completed", "Description": text}
        try:
            # Safe to repeat: the values are the same, and a closed task is not written again.
            self._api.client.call("PATCH", f"{DATA}/sobjects/Task/{task}", json=content, is_repeatable=True)
        except Refused as error:
            return Outcome("refused", str(error), external_id=task)
        return Outcome("sent", external_id=task)

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return our tasks of an owner, including deleted ones."""
        at = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        where = f"CreatedDate >= {at} AND {KEY_FIELD} != NULL"
        if address:
            where += f" AND OwnerId = {quoted(address)}"
        rows = self._api.everything(f"{select(['Id', KEY_FIELD], 'Task')} WHERE {where}")
        return {row[KEY_FIELD]: row["Id"] for row in rows}

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Delete tasks, looked up by their keys. Tasks that their owner has completed stay."""
        query = select(["Id", KEY_FIELD, "IsClosed", "IsDeleted"], "Task")
        stays = body.stay_closed(deliveries)
        for row in self._api.by_values(query, KEY_FIELD, [delivery.key for delivery in deliveries]):
            if row["IsClosed"]:
                stays[row[KEY_FIELD]] = "its owner has completed the task"
            elif not row["IsDeleted"]:
                stays |= self._delete(row["Id"], row[KEY_FIELD])
        return stays

    def _delete(self, task: str, key: str) -> dict[str, str]:
        try:
            self._api.client.call("DELETE", f"{DATA}/sobjects/Task/{task}", is_repeatable=True)
        except Forbidden as error:
            return {key: f"Salesforce did not delete it: {error.message}"}
        except Refused as error:
            return {} if error.status == 404 else {key: f"Salesforce did not delete it: {error.message}"}
        return {}

    def read_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, TaskSnapshot]:
        """Return the current state of tasks, including those in the recycle bin."""
        names = ["Id", KEY_FIELD, "Status", "IsClosed", "IsDeleted", "ActivityDate", "OwnerId", "LastModifiedDate"]
        if OUTCOME_FIELD in self._api.fields("Task"):
            names.append(OUTCOME_FIELD)
        rows = self._api.by_values(select(names, "Task"), KEY_FIELD, [delivery.key for delivery in deliveries])
        return {str(row[KEY_FIELD]): _snapshot(row) for row in rows}

    def close(self) -> None:
        self._api.client.session.close()

    def _existing(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the ids of existing tasks by key, read from the CRM itself, not from a search index."""
        rows = self._api.by_values(select(["Id", KEY_FIELD], "Task"), KEY_FIELD, keys)
        return {row[KEY_FIELD]: row["Id"] for row in rows}

    def _write(self, deliveries: Sequence[Delivery]) -> dict[str, Outcome]:
        if not deliveries:
            return {}
        try:
            results = self._post(deliveries)
        except Uncertain as error:
            return {delivery.key: Outcome("uncertain", str(error)) for delivery in deliveries}
        except Refused as error:
            if len(deliveries) == 1:
                return {deliveries[0].key: Outcome("refused", str(error))}
            # One unreadable value makes Salesforce refuse the whole list, so the tasks are written one by one.
            return {key: outcome for delivery in deliveries for key, outcome in self._write([delivery]).items()}
        outcomes: dict[str, Outcome] = {}
        # Results come in the order of the request, and contain nothing else to match them by.
        for delivery, result in zip(deliveries, results, strict=False):
            outcomes |= self._outcome(delivery, result)
        missing = Outcome("later" if self.is_repeatable else "uncertain", "Salesforce's response does not include it")
        return {delivery.key: outcomes.get(delivery.key, missing) for delivery in deliveries}

    def _post(self, deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
        content = {"allOrNone": False, "records": [_task(delivery) for delivery in deliveries]}
        if self.is_repeatable:
            call = self._api.client.call("PATCH", f"{LISTS}/Task/{KEY_FIELD}", json=content, is_repeatable=True)
        else:
            call = self._api.client.call("POST", LISTS, json=content)
        return list(call.data) if isinstance(call.data, list) else []

    def _outcome(self, delivery: Delivery, result: Mapping[str, Any]) -> dict[str, Outcome]:
        if result.get("success"):
            return {delivery.key: _sent(delivery, str(result.get("id", "")), delivery.key in self._ownerless)}
        codes = _codes(result)
        if codes & _NO_OWNER and delivery.address:
            # The owner was deactivated since the last ingest. Write the task without one: nobody sees a task that was
            # not written.
            self._ownerless.add(delivery.key)
            return self._write([replace(delivery, address="")])
        text, may_retry = refusal(result)
        if may_retry:
            return {delivery.key: Outcome("later", f"Salesforce could not write the task: {text}")}
        cure = "if the account was merged or deleted, ingest the CRM; otherwise raise the playbook's version"
        return {delivery.key: Outcome("refused", f"Salesforce refused the task: {text} | {cure}")}

    def _owner_id(self, email: str) -> str:
        if email not in self._owners:
            query = select(["Id", "Email"], "User")
            rows = self._api.everything(f"{query} WHERE Email = {quoted(email)} AND IsActive = TRUE", is_all=False)
            self._owners[email] = next((row["Id"] for row in rows), "")
        return self._owners[email]


def refusal(result: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the error text of a record that was not written, and whether a retry may succeed."""
    errors = result.get("errors") or [{}]
    text = "; ".join(f"{error.get('statusCode', '')} {error.get('message', '')}".strip() for error in errors)
    return text, bool(_codes(result) & _RETRYABLE)


def _codes(result: Mapping[str, Any]) -> set[str]:
    return {str(error.get("statusCode", "")) for error in result.get("errors") or ()}


def _snapshot(row: Mapping[str, Any]) -> TaskSnapshot:
    status = str(row.get("Status") or "")
    state: TaskState = "started" if status not in ("", "Not Started", "Deferred") else "open"
    if row.get("IsClosed"):
        state = "done"
    if row.get("IsDeleted"):
        state = "deleted"
    due = row.get("ActivityDate")
    return TaskSnapshot(
        state,
        date.fromisoformat(str(due)[:10]) if due else None,
        str(row.get("OwnerId") or ""),
        str(row.get(OUTCOME_FIELD) or ""),
        time_or_none(row.get("LastModifiedDate")),
    )


def _sent(delivery: Delivery, task: str, is_ownerless: bool) -> Outcome:
    if is_ownerless or not delivery.address:
        reason = f"owned by the login of the connection: {delivery.recipient} is not an active user of the CRM"
        return Outcome("sent", reason, external_id=task)
    return Outcome("sent", external_id=task)


def _task(delivery: Delivery) -> dict[str, Any]:
    planned = delivery.body
    record: dict[str, Any] = {
        "attributes": {"type": "Task"},
        KEY_FIELD: delivery.key,
        "Subject": str(planned["subject"])[:_LONGEST_SUBJECT],
        "Description": body.plain(str(planned["html"]))[:_LONGEST_TEXT],
        # A date without a time zone: the due date in the account's time zone.
        "ActivityDate": str(planned.get("due_on") or planned["due_at"])[:10],
        "Status": "Not Started",
        "Priority": _PRIORITIES.get(str(planned["priority"]), "Normal"),
        "WhatId": str(planned["company_id"]),
    }
    if delivery.address:
        record["OwnerId"] = delivery.address
    return record
