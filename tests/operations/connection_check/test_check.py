"""Findings of ``connect check`` on working and broken connections, with cures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common import paths
from include.common.errors import ConfigError
from include.connectors.crm.hubspot.resources import OWNER_SCOPE, RESOURCES, WRITE_SCOPES
from include.connectors.crm.salesforce.api import SalesforceApi
from include.deliver.channels.crm_field.channel import CrmFields
from include.deliver.channels.crm_field.salesforce import SalesforceAccounts
from include.deliver.channels.slack import SCOPES
from include.http.client import Answer, Client
from include.operations.connection_check import finding, run, sources
from include.operations.connection_check.finding import Line
from tests.fixtures.sandbox import SandboxProcess

PERSON = "@"


@pytest.fixture
def vendors(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SandboxProcess:
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "SECONDS", 36_000.0)
    return sandbox


def check(*names: str) -> dict[tuple[str, str], Line]:
    return {(line.connection, line.what): line for line in run.check(names)}


def connect(monkeypatch: pytest.MonkeyPatch, name: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))


def test_working_connections_are_reported_without_secrets(
    vendors: SandboxProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connect", "check", "--json"]) == 0
    said = capsys.readouterr().out
    lines = {(line["connection"], line["what"]): line for line in json.loads(said)}
    truth = vendors.truth()
    assert lines["crm", "account"]["found"] == f"{truth['account']['live']:,} rows"
    assert lines["product_db", "usage_day"]["state"] == "ok"
    for connection in ("crm", "support", "slack", "smtp", "product_db"):
        assert lines[connection, "credentials"]["state"] == "ok", connection
    for connection in ("crm", "support", "product_db"):
        assert lines[connection, "clock"]["state"] == "ok"
    assert "daily-remaining" in lines["crm", "limits"]["found"]
    assert "milestone" in lines["crm", "not available"]["found"]
    assert "owner_id" not in lines["crm", "account: mapping"]["found"]
    assert "never filled: parent_id" in lines["crm", "account: mapping"]["found"]
    for name in ("crm", "support", "slack", "smtp", "product_db"):
        assert vendors.connection(name)["password"] not in said


def test_sample_shows_rows_without_personal_data(vendors: SandboxProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", "check", "crm", "support", "product_db", "--samples"]) == 0
    said = capsys.readouterr().out
    assert "crm: contact" in said and "***" in said
    contacts = check("crm")["crm", "contact"].rows
    assert len(contacts) == 3
    assert {row["email"] for row in contacts} == {"***"}
    assert PERSON not in said.split("crm: account", 1)[1]


def test_check_sends_and_writes_nothing(vendors: SandboxProcess) -> None:
    before = vendors.truth()
    check()
    inbox = vendors.inbox()
    assert not any(inbox.values())
    assert vendors.truth() == before
    calls = vendors.control("status")["calls"]
    assert sum(number for call, number in calls.items() if call.startswith("POST")) < 30
    assert calls["hubspot"] < 60
    assert calls["zendesk"] < 30


def test_missing_scopes_are_named_and_other_checks_continue(vendors: SandboxProcess) -> None:
    missing = ["crm.objects.contacts.read"]
    vendors.control("switches", **{"hubspot.missing_scopes": missing, "slack.scopes": ["im:write"]})
    found = check("crm", "slack")
    assert found["crm", "contact"].state == "failed"
    assert "missing scope crm.objects.contacts.read" in found["crm", "contact"].found
    assert found["crm", "contract_line"].state == "ok"
    assert "chat:write" in found["slack", "scopes"].found
    assert main(["connect", "check", "crm"]) == 3


def test_write_scopes_are_required_only_where_needed(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = "more than needed: crm.objects.companies.write, crm.objects.contacts.write"
    assert (check("crm")["crm", "scopes"].state, extra in check("crm")["crm", "scopes"].found) == ("warning", True)
    (tmp_path / "config").mkdir()
    channels = tmp_path / "config" / "channels.yaml"
    channels.write_text("crm_task: {dry_run: false}\ncrm_field: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    assert extra not in check("crm")["crm", "scopes"].found
    vendors.control("switches", **{"hubspot.missing_scopes": ["crm.schemas.contacts.write"]})
    lacking = check("crm")["crm", "scopes"]
    assert (lacking.state, lacking.exit_status) == ("failed", 3)
    assert "missing: crm.schemas.contacts.write" in lacking.found
    # A separate write connection must be able to write and need not read.
    channels.write_text("crm_task: {dry_run: false, connections: {crm: crm_tasks}}\n")
    app = vendors.note["hubspot_oauth"]
    given = vendors.connection("crm") | {"login": app["client_id"], "password": app["client_secret"]}
    connect(monkeypatch, "crm_tasks", **given | {"extra": {"refresh_token": app["refresh_token"]}})
    writer = check("crm", "crm_tasks")
    assert extra in writer["crm", "scopes"].found
    assert writer["crm_tasks", "scopes"].state == "failed"
    assert "more than needed: crm.objects.companies.read" in writer["crm_tasks", "scopes"].found
    assert [what for connection, what in writer if connection == "crm_tasks"] == ["scopes"]


def test_drop_down_must_accept_every_risk_value(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("crm_field: {fields: {crm: {perennial_risk: risk_band}}}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    assert check("crm")["crm", "fields"].state == "ok"
    # As created before the value for unknown risk existed.
    three = [{"value": value} for value in ("none", "some", "high")]
    whole = Client.get

    def get(client: Client, path: str, *given: Any, **how: Any) -> Answer:
        answer = whole(client, path, *given, **how)
        if path.endswith("/companies/perennial_risk"):
            answer = Answer(answer.status, answer.headers, answer.data | {"options": three})
        return answer

    monkeypatch.setattr(Client, "get", get)
    found = check("crm")["crm", "fields"]
    assert (found.state, found.found) == ("failed", "perennial_risk does not accept unknown")
    # A Salesforce picklist rejects values only if it is restricted.
    monkeypatch.setattr(
        SalesforceApi,
        "fields",
        lambda api, sobject: {
            "risk": {"restrictedPicklist": True, "picklistValues": [{"value": "some", "active": True}]}
        },
    )
    accounts = SalesforceAccounts(SalesforceApi(None))  # type: ignore[arg-type]
    assert CrmFields(accounts).unaccepted("risk", ("some", "unknown")) == ["unknown"]
    assert CrmFields(accounts).unaccepted("other", ("some", "unknown")) == []


def test_documented_scopes_equal_checked_scopes() -> None:
    page = (paths.ROOT / "docs" / "reference" / "scopes.md").read_text()
    hubspot = page.partition("## HubSpot")[2].partition("## Salesforce")[0]
    listed = set(re.findall(r"`((?:crm\.|sales-)[\w.-]+)`", hubspot))
    written = {scope for scopes in WRITE_SCOPES.values() for scope in scopes}
    assert listed == {OWNER_SCOPE, *written, *(scope for one in RESOURCES for scope in one.scopes)}
    slack = page.partition("## Slack")[2].partition("## Mail")[0]
    assert set(re.findall(r"`(\w+:[\w.]+)`", slack)) == set(SCOPES)


def test_robot_is_checked_without_a_message_if_it_is_used(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = check("teams", "feishu")
    assert (found["teams", "credentials"].state, found["teams", "reachable"].state) == ("unknown", "ok")
    assert not {"teams", "feishu"} & {connection for connection, _ in check()}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("teams: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    connect(monkeypatch, "teams", conn_type="generic", host=vendors.url, password="https://x.example/y?sig=abc123")
    found = check()
    assert found["teams", "credentials"].state == "failed" and "abc123" not in str(found)
    assert "feishu" not in {connection for connection, _ in found}
    assert vendors.inbox()["messages"] == []


def test_wrong_token_ends_the_check_of_its_connection(
    vendors: SandboxProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, "crm", conn_type="hubspot", host=f"{vendors.url}/hubspot", password="pat-na1-wr0ng-t0ken")
    assert main(["connect", "check"]) == 3
    said = capsys.readouterr().out
    assert "wr0ng" not in said
    found = check()
    assert found["crm", "credentials"].state == "failed"
    assert "correct the credentials of connection crm" in found["crm", "credentials"].to_fix
    assert ("crm", "contact") not in found
    assert found["support", "ticket"].state == "ok"


@pytest.mark.parametrize(
    ("fields", "what", "said", "status"),
    [
        ({"conn_type": "hubspot", "host": "http://127.0.0.1:1", "password": "x"}, "reachable", "Connection refused", 5),
        (
            {"conn_type": "hubspot", "host": "https://no.invalid", "password": "x"},
            "reachable",
            "no.invalid",
            5,
        ),
        ({"conn_type": "hubspot", "host": "http://crm.example", "password": "x"}, "settings", "plain text", 2),
        ({"conn_type": "hubspot", "host": "https://api.hubapi.com"}, "settings", "has no password", 2),
        ({"conn_type": "http", "host": "https://api.hubapi.com", "password": "x"}, "settings", "names no vendor", 2),
    ],
)
def test_connection_problem_is_reported_with_its_cure(
    socket_enabled: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fields: dict,
    what: str,
    said: str,
    status: int,
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    connect(monkeypatch, "crm", **fields)
    lines = list(run.check(["crm"]))
    assert (lines[-1].what, lines[-1].state) == (what, "failed")
    assert said in lines[-1].found
    assert lines[-1].to_fix
    assert run.exit_status(lines) == status


def test_untrusted_certificate_fails_the_check(socket_enabled: None, tls_server: str) -> None:
    from include.operations.connection_check.network import reach

    reached, tls = reach("crm", tls_server)
    assert reached.state == "ok"
    assert (tls.state, tls.exit_status) == ("failed", 2)
    assert "REQUESTS_CA_BUNDLE" in tls.to_fix


def test_check_does_not_wait_for_a_throttling_vendor(vendors: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    vendors.control("faults", vendor="hubspot", kind="status", status=429, retry_after=30)
    waited: list[float] = []
    monkeypatch.setattr(finding.time, "sleep", waited.append)
    found = check("crm")
    assert sum(waited) < 10
    assert found["crm", "account"].state == "failed"
    assert "wait" in found["crm", "account"].found


def test_product_database_check_has_a_time_limit(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.connectors.database import source as database

    monkeypatch.setattr(database, "PEEK_SECONDS", 1)
    folder = tmp_path / "overlay" / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    slow = "select workspace_key as id, updated_at from workspaces, generate_series(1, 300000000)"
    (folder / "product_account.sql").write_text(slow)
    (folder / "seat_day.sql").write_text("select 1 as id, nothing as updated_at from workspaces")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    found = check("product_db")
    assert "exceeded the time limit of a statement" in found["product_db", "product_account"].found
    assert "seat_day.sql" in found["product_db", "seat_day"].found
    assert found["product_db", "product_user"].state == "ok"


def test_empty_or_mistyped_entity_is_flagged(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sa.create_engine(f"sqlite:///{tmp_path / 'p.db'}").begin() as connection:
        connection.exec_driver_sql("create table t (id integer, day text, at text)")
        connection.exec_driver_sql("insert into t values (1, 'soon', '2026-06-30 10:00:00')")
    folder = tmp_path / "overlay" / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    (folder / "seat_day.sql").write_text("select id, day, at as updated_at from t")
    (folder / "usage_day.sql").write_text("select id, day, at as updated_at from t where 1 = 0")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    connect(monkeypatch, "product_db", conn_type="sqlite", host=str(tmp_path / "p.db"))
    found = check("product_db")
    assert (found["product_db", "usage_day"].state, found["product_db", "usage_day"].found) == ("warning", "no rows")
    misfit = found["product_db", "seat_day: mapping"]
    assert "1 row has an invalid value for day, such as 'soon' in record 1" in misfit.found
    assert "correct such values in the source" in misfit.to_fix


def test_unsuitable_updated_at_is_reported(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sa.create_engine(f"sqlite:///{tmp_path / 'p.db'}").begin() as connection:
        connection.exec_driver_sql("create table t (id integer, day text, at text)")
        ends = ("2026-06-30 10:00:00", "2099-12-31 00:00:00", "9999-12-31 00:00:00", None)
        for number, at in enumerate(ends):
            connection.exec_driver_sql("insert into t values (?, '2026-06-30', ?)", (number, at))
    folder = tmp_path / "overlay" / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    (folder / "seat_day.sql").write_text("select id, day, at as updated_at from t")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    connect(monkeypatch, "product_db", conn_type="sqlite", host=str(tmp_path / "p.db"))
    line = check("product_db")["product_db", "seat_day: changes"]
    assert line.state == "warning" and "or null if there is none" in line.to_fix
    assert "in 2 of 4 rows updated_at is in the future" in line.found and "1 of 4 rows have no updated_at" in line.found


def test_connection_missing_in_the_settings() -> None:
    with pytest.raises(ConfigError, match="unknown connection crn"):
        list(run.check(["crn"]))


def test_only_enabled_channels_must_work(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "smtp", conn_type="smtp", host="127.0.0.1", port=1)
    assert check("smtp")["smtp", "credentials"].state == "warning"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("email: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    assert check("smtp")["smtp", "credentials"].state == "failed"


def test_salesforce_too(vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = vendors.connection("salesforce")
    connect(monkeypatch, "crm", **given)
    lines = check("crm")
    assert lines["crm", "account"].found == f"{vendors.truth()['account']['live']:,} rows"
    assert {line.state for line in lines.values()} == {"ok", "warning"}, lines
    assert "api-usage=" in lines["crm", "limits"].found
    assert "invoice" in lines["crm", "not available"].found
    assert "create, edit, delete on Account" in lines["crm", "scopes"].found
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "channels.yaml").write_text("crm_task: {dry_run: false}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    vendors.control("switches", **{"salesforce.removed_fields": ["Task.Perennial_Key__c"]})
    lacking = check("crm")["crm", "scopes"]
    assert (lacking.state, "missing: edit on the field Perennial_Key__c" in lacking.found) == ("failed", True)
    connect(monkeypatch, "crm", **given | {"password": "wrong"})
    refused = check("crm")["crm", "credentials"]
    assert (refused.state, "invalid_client" in refused.found) == ("failed", True)
    assert "login and password of connection crm" in refused.to_fix
