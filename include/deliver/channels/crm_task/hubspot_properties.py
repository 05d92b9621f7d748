"""Create the task properties that a HubSpot portal needs: the unique key, and the outcome that people enter."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from include.common.errors import ConfigError
from include.http.client import Client, Refused

KEY_PROPERTY = "perennial_key"
OUTCOME_PROPERTY = "perennial_outcome"
_PROPERTIES = "/crm/v3/properties/tasks"

log = logging.getLogger(__name__)


def ensure(client: Client) -> None:
    """Make sure that the portal has both properties.

    Raises:
        ConfigError: The key exists, but is not unique.
    """
    try:
        found = client.get(f"{_PROPERTIES}/{KEY_PROPERTY}").data
    except Refused as error:
        if error.status != 404:
            raise
        found = _create_key(client)
    if not found.get("hasUniqueValue"):
        raise ConfigError(
            f"HubSpot's task property {KEY_PROPERTY} is not unique, so tasks could be duplicated",
            cure=f"if nothing else uses {KEY_PROPERTY}, delete it in HubSpot with its values; it is created again",
        )
    _ensure_outcome(client)


def _ensure_outcome(client: Client) -> None:
    """Create the property for a task's outcome. If HubSpot refuses, people complete tasks without an outcome."""
    try:
        client.get(f"{_PROPERTIES}/{OUTCOME_PROPERTY}")
    except Refused as error:
        if error.status != 404:
            raise
        wanted = {
            "name": OUTCOME_PROPERTY,
            "label": "Perennial outcome",
            "description": "The result. Enter it before you complete the task: it becomes the alert's close reason.",
        }
        try:
            _create(client, wanted)
        except Refused as refusal:
            log.warning("HubSpot: tasks have no property %s: %s", OUTCOME_PROPERTY, refusal)


def _create_key(client: Client) -> dict[str, Any]:
    wanted = {
        "name": KEY_PROPERTY,
        "label": "Perennial key",
        "description": "Identifies a task created by Perennial, so that it is created only once. Do not change.",
        "hasUniqueValue": True,
    }
    try:
        return _create(client, wanted)
    except Refused as error:
        if error.status != 409:  # 409: created by somebody else in the meantime
            raise
        return dict(client.get(f"{_PROPERTIES}/{KEY_PROPERTY}").data)


def _create(client: Client, wanted: Mapping[str, Any]) -> dict[str, Any]:
    group = client.get(f"{_PROPERTIES}/hs_task_subject").data["groupName"]
    text = {"groupName": group, "type": "string", "fieldType": "text"}
    # Safe to repeat: HubSpot refuses a second property with the same name.
    return dict(client.call("POST", _PROPERTIES, json={**text, **wanted}, is_repeatable=True).data or {})
