"""HubSpot's own Python client works on the sandbox unchanged."""

from __future__ import annotations

import hubspot
import pytest
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
from hubspot.crm.companies import BatchReadInputSimplePublicObjectId, Filter, FilterGroup, PublicObjectSearchRequest
from hubspot.crm.objects.tasks import (
    ApiException,
    BatchInputSimplePublicObjectBatchInputUpsert,
    SimplePublicObjectInputForCreate,
)

from tests.fixtures.sandbox import SandboxProcess


@pytest.fixture
def client(sandbox: SandboxProcess) -> hubspot.Client:
    connection = sandbox.connection("crm")
    return hubspot.Client.create(access_token=connection["password"], host=connection["host"])


def test_lists_all_companies_page_by_page(client: hubspot.Client, sandbox: SandboxProcess) -> None:
    truth = sandbox.truth()["account"]
    found = client.crm.companies.get_all(properties=["name", "customer_tier"])
    assert [int(company.id) for company in found] == sorted(truth["live_ids"])
    assert {company.properties["customer_tier"] for company in found} >= {"small", "standard"}


def test_archived_companies_are_a_separate_list(client: hubspot.Client, sandbox: SandboxProcess) -> None:
    number = sandbox.truth()["account"]["live_ids"][0]
    sandbox.mutate("company", number, op="delete")
    archived = client.crm.companies.basic_api.get_page(limit=100, archived=True).results
    assert str(number) in [company.id for company in archived]
    assert next(company for company in archived if company.id == str(number)).archived_at is not None


def test_searches_by_modification_date(client: hubspot.Client, sandbox: SandboxProcess) -> None:
    number = sandbox.truth()["account"]["live_ids"][3]
    sandbox.mutate("company", number, set={"industry": "RETAIL"})
    since = Filter(property_name="hs_lastmodifieddate", operator="GTE", value="1782820800000")
    request = PublicObjectSearchRequest(
        filter_groups=[FilterGroup(filters=[since])],
        sorts=["hs_lastmodifieddate"],
        properties=["industry"],
        limit=200,
        after="0",
    )
    found = client.crm.companies.search_api.do_search(request)
    assert found.total == 1
    assert found.results[0].id == str(number)
    assert found.results[0].properties["industry"] == "RETAIL"


def test_reads_batches_and_reports_missing_records(client: hubspot.Client, sandbox: SandboxProcess) -> None:
    numbers = [str(number) for number in sandbox.truth()["opportunity"]["live_ids"][:3]]
    request = BatchReadInputSimplePublicObjectId(
        inputs=[{"id": number} for number in [*numbers, "999999999"]],
        properties=["dealname"],
        properties_with_history=["dealstage"],
    )
    answer = client.crm.deals.batch_api.read(request)
    assert [deal.id for deal in answer.results] == numbers
    assert answer.num_errors == 1
    assert answer.results[0].properties_with_history["dealstage"]


def test_reads_associations_both_ways(client: hubspot.Client, sandbox: SandboxProcess) -> None:
    numbers = [str(number) for number in sandbox.truth()["contract_line"]["live_ids"]]
    request = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": number} for number in numbers])
    to_deals = client.crm.associations.v4.batch_api.get_page("line_items", "deals", request).results
    assert len(to_deals) == len(numbers)
    deal = to_deals[0].to[0].to_object_id
    back = client.crm.associations.v4.basic_api.get_page("deals", deal, "line_items").results
    assert to_deals[0]._from.id in [each.to_object_id for each in back]
    company = client.crm.associations.v4.basic_api.get_page("deals", deal, "companies").results[0]
    assert [each.type_id for each in company.association_types] == [5, 341]


def test_owners_properties_pipelines(client: hubspot.Client) -> None:
    active = client.crm.owners.get_all()
    gone = client.crm.owners.owners_api.get_page(archived=True).results
    assert len(active) == 7 and len(gone) == 1
    assert gone[0].first_name == "" and gone[0].user_id is None and gone[0].user_id_including_inactive
    names = [each.name for each in client.crm.properties.core_api.get_all("contacts").results]
    assert len(names) > 300
    pipelines = client.crm.pipelines.pipelines_api.get_all("deals").results
    assert [each.id for each in pipelines] == ["default", "75122310"]
    assert pipelines[0].stages[3].metadata["isClosed"] == "true"


def test_tasks_are_upserted_by_their_key(client: hubspot.Client) -> None:
    properties = {"hs_timestamp": "2026-07-03T15:00:00Z", "hs_task_subject": "Call", "hs_task_priority": "HIGH"}

    def upsert(subject: str) -> tuple[str, bool]:
        given = {**properties, "hs_task_subject": subject}
        each = {"id": "key-1", "idProperty": "perennial_key", "properties": given, "objectWriteTraceId": "t1"}
        answer = client.crm.objects.tasks.batch_api.upsert(BatchInputSimplePublicObjectBatchInputUpsert([each]))
        return answer.results[0].id, answer.results[0].new

    first, was_new = upsert("Call")
    again, is_new = upsert("Call them")
    assert (first, was_new, is_new) == (again, True, False)
    read = client.crm.objects.tasks.basic_api.get_by_id(first, properties=["hs_task_subject", "perennial_key"])
    assert read.properties["hs_task_subject"] == "Call them"


def test_task_is_created_on_a_company_and_archived(client: hubspot.Client, sandbox: SandboxProcess) -> None:
    company = sandbox.truth()["account"]["live_ids"][0]
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]
    request = SimplePublicObjectInputForCreate(
        associations=[{"to": {"id": str(company)}, "types": types}],
        properties={"hs_timestamp": "1782820800000", "hs_task_subject": "Call"},
    )
    made = client.crm.objects.tasks.basic_api.create(request)
    tied = client.crm.associations.v4.basic_api.get_page("tasks", made.id, "companies").results
    assert [each.to_object_id for each in tied] == [str(company)]
    client.crm.objects.tasks.basic_api.archive(made.id)
    with pytest.raises(ApiException) as missing:
        client.crm.objects.tasks.basic_api.get_by_id(made.id)
    assert missing.value.status == 404
