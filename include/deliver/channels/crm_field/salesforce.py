"""Write fields of Salesforce's accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from include.connectors.crm.salesforce.api import SalesforceApi, select
from include.deliver.channels.base import Outcome
from include.deliver.channels.crm_field.channel import Values
from include.deliver.channels.crm_task.salesforce import LISTS, refusal


class SalesforceAccounts:
    vendor = "Salesforce"
    batch_size = 200

    def __init__(self, api: SalesforceApi) -> None:
        self._api = api

    def missing_properties(self, names: Sequence[str]) -> list[str]:
        known = self._api.fields("Account") if names else {}
        return [name for name in names if not known.get(name, {}).get("updateable")]

    def options(self, name: str) -> Collection[str] | None:
        """Return the values of a restricted picklist. Other fields accept any value."""
        field = self._api.fields("Account").get(name, {})
        if not field.get("restrictedPicklist"):
            return None
        return {str(each.get("value")) for each in field.get("picklistValues") or [] if each.get("active")}

    def read(self, ids: Sequence[str], names: Sequence[str]) -> Mapping[str, Values]:
        rows = self._api.by_ids(select(["Id", *names], "Account"), "Id", ids, is_all=False)
        return {str(row["Id"]): row for row in rows}

    def differing(self, wanted: Values, current: Values) -> dict[str, Any]:
        """Compare values. An empty text means no value."""
        return {name: value for name, value in wanted.items() if (value or None) != (current.get(name) or None)}

    def write(self, changes: Mapping[str, Values]) -> Mapping[str, Outcome]:
        records = [{"attributes": {"type": "Account"}, "id": one, **values} for one, values in changes.items()]
        content = {"allOrNone": False, "records": records}
        answer = self._api.client.call("PATCH", LISTS, json=content, is_repeatable=True).data
        # Results come in the order of the request, and contain nothing else to match them by.
        results = zip(changes, answer if isinstance(answer, list) else [], strict=False)
        return {account: _outcome(account, result) for account, result in results}

    def close(self) -> None:
        self._api.client.session.close()


def _outcome(account: str, result: Mapping[str, Any]) -> Outcome:
    if result.get("success"):
        return Outcome("sent", external_id=account)
    text, may_retry = refusal(result)
    return Outcome("later" if may_retry else "refused", f"Salesforce did not write the values: {text}")
