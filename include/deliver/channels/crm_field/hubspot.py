"""Write properties of HubSpot's companies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from include.connectors.casting import time_or_none
from include.deliver.channels.base import Outcome
from include.deliver.channels.crm_field.channel import Values
from include.http.client import Client, Refused


class Companies:
    vendor = "HubSpot"
    batch_size = 100

    def __init__(self, client: Client) -> None:
        self._client = client

    def missing_properties(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not self._is_writable(name)]

    def options(self, name: str) -> Collection[str] | None:
        found = self._client.get(f"/crm/v3/properties/companies/{name}").data
        if found.get("type") != "enumeration":
            return None
        return {str(option.get("value")) for option in found.get("options") or []}

    def read(self, ids: Sequence[str], names: Sequence[str]) -> Mapping[str, Values]:
        """Read the records from the CRM itself, not from its search index."""
        wanted = {"properties": names, "inputs": [{"id": each} for each in ids]}
        found = self._call("read", wanted).get("results") or []
        return {str(company["id"]): company.get("properties") or {} for company in found}

    def differing(self, wanted: Values, current: Values) -> dict[str, Any]:
        """Compare values as text. "" means no value."""
        texts = {name: "" if value is None else str(value) for name, value in wanted.items()}
        return {name: text for name, text in texts.items() if not _same(text, str(current.get(name) or ""))}

    def write(self, changes: Mapping[str, Values]) -> Mapping[str, Outcome]:
        inputs = [{"id": company, "properties": values} for company, values in changes.items()]
        answer = self._call("update", {"inputs": inputs})
        # Answers are matched by id, never by position.
        written = {str(one["id"]): Outcome("sent", external_id=str(one["id"])) for one in answer.get("results") or []}
        refused = {
            str(company): Outcome("refused", f"HubSpot refused the values: {error.get('message', 'no reason given')}")
            for error in answer.get("errors") or []
            for company in (error.get("context") or {}).get("ids") or []
        }
        return refused | written

    def close(self) -> None:
        self._client.session.close()

    def _is_writable(self, name: str) -> bool:
        try:
            found = self._client.get(f"/crm/v3/properties/companies/{name}").data
        except Refused as error:
            if error.status != 404:
                raise
            return False
        return not (found.get("modificationMetadata") or {}).get("readOnlyValue")

    def _call(self, verb: str, content: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/crm/v3/objects/companies/batch/{verb}"
        return self._client.call("POST", path, json=content, is_repeatable=True).data or {}


def _same(written: str, read_back: str) -> bool:
    """Return whether two texts are equal. Numbers and dates may be read back in another form than they were written."""
    if written == read_back or not (written and read_back):
        return written == read_back
    try:
        if Decimal(written) == Decimal(read_back):
            return True
    except InvalidOperation:
        pass
    moment = time_or_none(read_back)
    return moment is not None and moment.date().isoformat() == written
