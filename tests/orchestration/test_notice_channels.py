"""With a single channel, notices of failed DAGs, incidents and changed fields use that channel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from include.common.errors import AuthError
from include.operations.incidents import detect, notify
from include.operations.incidents.detect import Incident
from include.orchestration import notices
from include.warehouse.engine import engine
from tests.fixtures.receivers import Receivers
from tests.fixtures.vendor_server import Answer, Call, serve

SETTINGS = "sources:\n  - {id: crm, kind: crm, owner: {name: Ada, email: ada@vendor.example}}\n"
CHANNELS = {"slack bot": "slack", "slack webhook": "slack", "email": "email", "robot": "teams"}


@pytest.fixture(params=CHANNELS)
def received(
    request: pytest.FixtureRequest,
    warehouse: str,
    receivers: Receivers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], str]]:
    """Enable a single channel. The function returns its messages and checks that no other channel has any."""
    name = CHANNELS[request.param]
    rooms: list[Any] = []

    def answer(call: Call) -> Answer:
        rooms.append(call.body)
        return (200, "ok") if call.path.startswith("/services/") else (202, None)

    folder = tmp_path / "overlay" / "config"
    folder.mkdir(parents=True)
    (folder / "channels.yaml").write_text(f"messages_by: [{name}]\n{name}: {{dry_run: false}}\n")
    (folder / "settings.yaml").write_text(SETTINGS)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder.parent))
    with serve(answer) as stub:
        if request.param == "slack webhook":
            webhook = {"conn_type": "slack", "host": f"{stub.url}/services", "password": "T1/B1/x"}
            monkeypatch.setenv("AIRFLOW_CONN_SLACK", json.dumps(webhook))
        robot = {"conn_type": "generic", "host": stub.url, "password": "/workflows/1?sig=x"}
        monkeypatch.setenv("AIRFLOW_CONN_TEAMS", json.dumps(robot))

        def arrived() -> str:
            found = {"bot": receivers.workspace.messages, "room": rooms, "mail": receivers.mail.mails}
            ((_, all_of_it),) = ((where, all_of) for where, all_of in found.items() if all_of)
            (one,) = all_of_it
            return one.decode() if isinstance(one, bytes) else json.dumps(one)

        yield arrived


def test_notice_of_a_failed_dag(received: Callable[[], str]) -> None:
    task = SimpleNamespace(task_id="extract_account", log_url="http://localhost/log")
    error = AuthError("no", cure="put a new token into connection crm")
    notices.notify_owner({"dag": SimpleNamespace(dag_id="ingest_crm"), "ti": task, "exception": error})  # type: ignore[arg-type]
    assert "has been failing since" in received()


def test_notice_of_an_incident(received: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    late = Incident("source:crm", "source", "crm", reason="crm was last read yesterday")
    monkeypatch.setattr(detect, "current", lambda connection: {late.key: late})
    assert notify.run().n_sent == 1
    assert "crm is late" in received()


def test_notice_of_changed_fields(received: Callable[[], str]) -> None:
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.schema_change (source, entity, kind, field, was, is_now, fills, noticed_at)"
                " values ('crm', 'account', 'new', 'tier', '', 'text', '', now())"
            )
        )
    notices.notify_changes("crm")
    assert "crm has changed 1 field" in received()
