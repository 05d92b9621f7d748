"""The server starts once per folder, reports errors, survives SIGKILL without loss, and exits cleanly."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from include.sandbox.__main__ import main
from tests.fixtures.sandbox import SandboxProcess

SMALL = ("--seed", "5", "--anchor", "2026-06-30", "--customers", "8")
Serve = Callable[..., tuple[int, str]]


@pytest.fixture
def own(socket_enabled: None, tmp_path: Path) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path / "a folder", "", *SMALL, now="2026-06-30T12:00:00Z")
    process.home.mkdir()
    process.start()
    yield process
    process.kill()


def _write_everything(process: SandboxProcess) -> str:
    crm, slack, mail = (process.connection(name) for name in ("crm", "slack", "smtp"))
    headers = {"Authorization": f"Bearer {crm['password']}"}
    body = {"associations": [], "properties": {"hs_timestamp": "1", "hs_task_subject": "Call"}}
    made = requests.post(f"{crm['host']}/crm/v3/objects/tasks", json=body, headers=headers, timeout=600).json()
    requests.post(f"{slack['host']}/chat.postMessage", json={"channel": "#general", "text": "hello"},
                  headers={"Authorization": f"Bearer {slack['password']}"}, timeout=600)  # fmt: skip
    with smtplib.SMTP(mail["host"], mail["port"], timeout=600) as server:
        server.login(mail["login"], mail["password"])
        server.sendmail("a@vendor.example", ["b@vendor.example"], "Subject: x\r\n\r\ny")
    process.mutate("company", 1001, set={"name": "Renamed"})
    return made["id"]


def test_nothing_written_is_lost_when_killed(own: SandboxProcess) -> None:
    task = _write_everything(own)
    url, truth, inbox = own.url, own.truth(), own.inbox()
    own.kill()
    own.start()
    assert (own.url, own.truth(), own.inbox()) == (url, truth, inbox)
    crm = own.connection("crm")
    headers = {"Authorization": f"Bearer {crm['password']}"}
    base = f"{crm['host']}/crm/v3/objects"
    assert requests.get(f"{base}/tasks/{task}", headers=headers, timeout=600).status_code == 200
    company = requests.get(f"{base}/companies/1001", headers=headers, timeout=600).json()
    assert company["properties"]["name"] == "Renamed"


def test_ends_cleanly_on_sigterm(own: SandboxProcess) -> None:
    assert (own.home / "sandbox.json").stat().st_mode & 0o077 == 0
    assert own.stop() == 0
    assert not (own.home / "sandbox.json").exists()


def test_reset_discards_everything_written(own: SandboxProcess) -> None:
    before = own.truth()
    _write_everything(own)
    own.control("reset", at="2026-06-30T12:00:00Z")
    assert own.truth() == before
    assert own.inbox() == {"mails": [], "messages": []}


def test_rows_due_during_downtime_get_the_time_of_writing(empty_database: str, tmp_path: Path) -> None:
    process = SandboxProcess(tmp_path, empty_database, *SMALL, now="2026-06-30T12:00:00Z")
    process.start()
    process.kill()
    process._now = "2026-07-02T12:00:00Z"
    process.start()
    with sa.create_engine(empty_database, poolclass=sa.NullPool).connect() as connection:
        new = connection.execute(
            sa.text("select count(*), min(updated_at) from member_feature_daily where updated_at > '2026-06-30 12:00Z'")
        ).one()
    process.kill()
    # With their original times, a reader's cursor would already be past them.
    assert new[0] > 0 and new[1].isoformat() == "2026-07-02T12:00:00+00:00"


def test_pages_show_hostile_content_as_text(own: SandboxProcess) -> None:
    slack = own.connection("slack")
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "*Hi* <script>alert(1)</script> <https://x.example|y>"}}
    ]
    own.mutate("company", 1001, set={"name": "<script>alert(2)</script>"})
    requests.post(f"{slack['host']}/chat.postMessage", json={"channel": "#general", "text": "x", "blocks": blocks},
                  headers={"Authorization": f"Bearer {slack['password']}"}, timeout=600)  # fmt: skip
    inbox = requests.get(f"{own.url}/inbox", timeout=600)
    record = requests.get(f"{own.url}/contacts/1234567/record/0-2/1001", timeout=600)
    assert "<b>Hi</b>" in inbox.text and 'href="https://x.example"' in inbox.text
    assert "default-src 'none'" in inbox.headers["Content-Security-Policy"]
    for page in (inbox, record):
        assert page.status_code == 200 and "<script" not in page.text and "&lt;script&gt;" in page.text


@pytest.fixture
def serve(capsys: pytest.CaptureFixture[str]) -> Serve:
    """Start a server that must fail. Return the exit status and the output."""

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["serve", *arguments])
        return status, capsys.readouterr().err

    return run


def test_port_in_use(socket_enabled: None, serve: Serve, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, said = serve("--home", str(tmp_path), "--port", port, *SMALL)
    assert status == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said and "--port" in said


def test_folder_in_use(own: SandboxProcess, serve: Serve) -> None:
    status, said = serve("--home", str(own.home))
    assert status == 1 and "another sandbox already uses" in said
    assert requests.get(f"{own.url}/_control/status", timeout=600).ok


def test_another_world_in_the_same_folder(own: SandboxProcess, serve: Serve) -> None:
    own.stop()
    status, said = serve("--home", str(own.home), "--seed", "6")
    assert status == 2 and "created with seed 5, not 6" in said


def test_unwritable_folder(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, said = serve("--home", str(tmp_path / "file" / "below"))
    assert status == 1 and "cannot keep its state" in said


def test_unreachable_product_database(socket_enabled: None, serve: Serve, tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:hidden@127.0.0.1:9/product"
    status, said = serve("--home", str(tmp_path), "--product-url", url, *SMALL)
    assert status == 1 and "cannot connect to the product's database" in said and "hidden" not in said


def test_world_that_has_ended(socket_enabled: None, serve: Serve, tmp_path: Path) -> None:
    status, said = serve("--home", str(tmp_path), "--anchor", "2020-01-01", "--customers", "8")
    assert status == 1 and "ended on" in said
