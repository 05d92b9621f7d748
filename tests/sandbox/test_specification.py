"""Requests to vendors and the sandbox's responses match the vendors' published schemas.

The tables are made from their specifications, in our words: the fields of what is read and written here, ``!`` behind
those that the specification requires. Nulls are left out of the comparison: the specifications rarely say them, and
the services answer them.

* HubSpot: https://github.com/HubSpot/HubSpot-public-api-spec-collection (PublicApiSpecs/CRM, v3 and v4, August 2026)
* Zendesk: https://developer.zendesk.com/zendesk/oas.yaml and
  https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/
* Salesforce: https://developer.salesforce.com/docs/platform/api-rest/guide/dome-query.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from include.config import load
from include.deliver.channels import crm_task
from include.http.client import Client
from tests.deliver.example_messages import TASK, delivery
from tests.fixtures.pulled import START, Copy, later, truth
from tests.fixtures.sandbox import SandboxProcess

# Name -> its fields: text, int, flag, map, any, a name of another shape; [..] for a list of it.
SHAPES = {
    name: dict(field.split(":") for field in fields.split())
    for name, fields in {
        # HubSpot: objects
        "object": "id!:text properties!:map createdAt!:time updatedAt!:time archived!:flag archivedAt:time url:text"
        " propertiesWithHistory:map objectWriteTraceId:text",
        "listed": "id!:text properties!:map createdAt!:time updatedAt!:time archived!:flag archivedAt:time url:text"
        " propertiesWithHistory:map associations:map",
        "upserted": "id!:text properties!:map createdAt!:time updatedAt!:time archived!:flag new!:flag url:text"
        " archivedAt:time objectWriteTraceId:text",
        "next": "after!:text link:text",
        "paging": "next:next",
        "list": "results!:[listed] paging:paging",
        "found": "total!:int results!:[object] paging:paging",
        "filter": "propertyName!:text operator!:text value:text highValue:text values:[text]",
        "filters": "filters!:[filter]",
        "sort": "propertyName!:text direction:text",
        "search": "filterGroups!:[filters] sorts!:[text] properties!:[text] limit!:int after!:text query:text",
        "id": "id!:text",
        "batch of ids": "inputs!:[id] properties!:[text] propertiesWithHistory!:[text] idProperty:text",
        "problem": "status!:text category!:text message!:text context!:map errors!:[any] links!:map id:text"
        " subCategory:map",
        "batch": "status!:text startedAt!:time completedAt!:time results!:[object] numErrors:int errors:[problem]",
        "upsert": "id!:text properties!:map idProperty:text objectWriteTraceId:text",
        "upserts": "inputs!:[upsert]",
        "batch of upserts": "status!:text startedAt!:time completedAt!:time results!:[upserted] numErrors:int"
        " errors:[problem]",
        # HubSpot: associations, owners, properties
        "from": "id!:text after:text",
        "froms": "inputs!:[from]",
        "type": "category!:text typeId!:int label:text",
        "to": "toObjectId!:text associationTypes!:[type]",
        "tie": "from!:id to!:[to] paging:paging",
        "ties": "status!:text startedAt!:time completedAt!:time results!:[tie] numErrors:int errors:[problem]",
        "team": "id!:text name!:text primary!:flag",
        "owner": "id!:text type!:text createdAt!:time updatedAt!:time archived!:flag email:text firstName:text"
        " lastName:text userId:int userIdIncludingInactive:int teams:[team]",
        "owners": "results!:[owner] paging:paging",
        "option": "label!:text value!:text hidden!:flag displayOrder:int description:text",
        "property": "name!:text label!:text type!:text fieldType!:text groupName!:text description!:text"
        " options!:[option] hasUniqueValue:flag calculated:flag hidden:flag displayOrder:int formField:flag"
        " hubspotDefined:flag modificationMetadata:map dataSensitivity:text archived:flag externalOptions:flag"
        " createdAt:time updatedAt:time",
        "properties": "results!:[property]",
        # Zendesk
        "ticket": "id:int url:text external_id:text subject:text description:text status:text priority:text type:text"
        " requester_id:int submitter_id:int assignee_id:int organization_id:int group_id:int created_at:time"
        " updated_at:time tags:[text] custom_fields:[any] satisfaction_rating:map via:map",
        "export": "tickets:[ticket] after_cursor:text after_url:text before_cursor:text before_url:text"
        " end_of_stream:flag",
        # Salesforce
        "attributes": "type!:text url!:text",
        "row": "attributes!:attributes",
        "rows": "totalSize!:int done!:flag records!:[row] nextRecordsUrl:text",
    }.items()
}
# Method and path -> shapes of request and response; "" where there is none.
ENDPOINTS = (
    (r"GET /crm/v3/objects/\w+", "", "list"),
    (r"POST /crm/v3/objects/\w+/search", "search", "found"),
    (r"POST /crm/v3/objects/\w+/batch/read", "batch of ids", "batch"),
    (r"POST /crm/v3/objects/tasks/batch/upsert", "upserts", "batch of upserts"),
    (r"POST /crm/v4/associations/\w+/\w+/batch/read", "froms", "ties"),
    (r"GET /crm/v3/owners", "", "owners"),
    (r"GET /crm/v3/properties/\w+", "", "properties"),
    (r"GET /api/v2/incremental/tickets/cursor(.json)?", "", "export"),
    (r"GET /services/data/v[\d.]+/query(All)?(/.*)?", "", "rows"),
)
# Known differences between services and specifications, with their sources and the shape used instead.
DEVIATIONS = {
    # The specification has texts; the guide and every client send objects. Both are accepted:
    # https://developers.hubspot.com/docs/api-reference/search/guide
    "search.sorts": "[sort]",
    # An error about missing records has no such fields.
    "problem.errors": "optional",
    "problem.links": "optional",
    # Published as an object; recorded responses have a text such as crm.associations.NO_ASSOCIATIONS_FOUND.
    "problem.subCategory": "text",
}
_KINDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "flag": lambda value: isinstance(value, bool),
    "map": lambda value: isinstance(value, dict),
    "time": lambda value: isinstance(value, str) and bool(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value)),
    "any": lambda value: True,
}


def differences(shape: str, value: Any, where: str, *, is_open: bool = False) -> list[str]:
    """Return the differences between a value and a shape. Extra fields are allowed only in open shapes."""
    if not isinstance(value, dict):
        try:
            value = orjson.loads(bytes(value))  # rows decoded later
        except (TypeError, ValueError):
            return [f"{where} is no {shape}"]
    wrong = []
    fields = {name.rstrip("!"): (kind, name.endswith("!")) for name, kind in SHAPES[shape].items()}
    for name, (published, is_required) in fields.items():
        allowed = DEVIATIONS.get(f"{shape}.{name}", "")
        kind = published if allowed in ("", "optional") else allowed
        if value.get(name) is None:
            if is_required and name not in value and allowed != "optional":
                wrong.append(f"{where}.{name} is missing")
            continue
        many, kind = kind.startswith("["), kind.strip("[]")
        values = value[name] if many else [value[name]]
        if not isinstance(values, list):
            wrong.append(f"{where}.{name} is no list")
            continue
        for one in values:
            if kind in _KINDS:
                wrong += [] if _KINDS[kind](one) else [f"{where}.{name} is no {kind}: {one!r:.40}"]
            else:
                wrong += differences(kind, one, f"{where}.{name}", is_open=is_open or kind in ("ticket", "row"))
    extra = [] if is_open or shape in ("row", "ticket") else sorted(set(value) - set(fields))
    return wrong + [f"{where}.{name} is not published" for name in extra]


class Watch:
    """Compare clients' requests and responses with the specifications."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.wrong: list[str] = []

    def over(self, client: Client) -> None:
        """Watch a client."""
        call = client.call

        def watched(method: str, path: str, **how: Any) -> Any:
            answer = call(method, path, **how)
            for pattern, asked, told in ENDPOINTS:
                if re.fullmatch(pattern, f"{method} {path.split('?')[0]}"):
                    self.seen.add(pattern)
                    self.wrong += differences(asked, how.get("json"), f"asked {path}") if asked else []
                    self.wrong += differences(told, answer.data, f"told {path}")
                    break
            return answer

        client.call = watched  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))


def test_hubspot_calls_and_responses_match_the_specification(sandbox: SandboxProcess) -> None:
    watch, crm = Watch(), Copy("crm")
    watch.over(crm.source._api.client)  # type: ignore[attr-defined]
    crm.pull(START)
    list(crm.source.history("account"))  # type: ignore[attr-defined]
    sandbox.mutate("contact", int(min(truth(sandbox, "contact"), key=int)), set={"firstname": "Other"})
    sandbox.mutate("call", int(min(crm.live("activity")).removeprefix("calls-")), set={"hs_call_title": "Again"})
    crm.pull(later(sandbox, minutes=20))
    api = crm.source._api  # type: ignore[attr-defined]
    api.batch_read("companies", ["name"], [min(truth(sandbox, "account")), "9999999"])

    channel = crm_task.connect(load(), "crm")
    watch.over(channel._client)  # type: ignore[attr-defined]
    one = delivery("crm_task", "a", body={**TASK, "company_id": min(truth(sandbox, "account"))})
    sent = replace(one, address=channel.address(one))
    assert channel.send([sent])[one.key].state == "sent"
    channel.find(sent.address, START - timedelta(days=1))
    channel.take_back([sent])

    assert "\n".join(sorted(set(watch.wrong))) == ""
    assert {pattern for pattern, _, _ in ENDPOINTS if "/crm/" in pattern} == watch.seen


def test_zendesk_export_matches_the_specification(sandbox: SandboxProcess) -> None:
    watch, desk = Watch(), Copy("support", "ticket")
    watch.over(desk.source.client)  # type: ignore[attr-defined]
    desk.pull(START)
    assert (sorted(set(watch.wrong)), len(watch.seen)) == ([], 1)


def test_salesforce_query_responses_match_the_documentation(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", sandbox.connections["AIRFLOW_CONN_SALESFORCE"])
    watch, crm = Watch(), Copy("crm", "account", "owner")
    watch.over(crm.source.client)  # type: ignore[attr-defined]
    crm.pull(START)
    assert (sorted(set(watch.wrong)), len(watch.seen)) == ([], 1)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"after": "1"}, []),
        ({"after": None, "link": None}, []),
        ({"after": 1}, ["x.after is no text: 1"]),
        ({"link": "y"}, ["x.after is missing"]),
        ({"after": "1", "before": "0"}, ["x.before is not published"]),
    ],
)
def test_differences_are_reported(value: dict[str, Any], wrong: list[str]) -> None:
    assert differences("next", value, "x") == wrong
