"""The how-to *add a vendor*, followed: its folder and mapping installed, its API served, connected and read twice."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from include.warehouse.engine import engine

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "add-a-vendor"
NOW, LATER = "2026-01-15T12:00:00+00:00", "2026-01-15T13:00:00+00:00"
SETTINGS = """
sources:
  - {id: desk, kind: support, owner: {name: A, email: a@vendor.example}, lag_seconds: 0}
"""


class TinyDesk:
    """The vendor's API: lists ordered by modification, three per page. Every second call is throttled at first."""

    def __init__(self) -> None:
        self.lists: dict[str, dict[int, dict[str, Any]]] = {"customers": {}, "people": {}, "tickets": {}}
        self.asked: list[str] = []
        desk = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                desk.asked.append(self.path)
                status, body = desk.answer(self.path, self.headers.get("Authorization"))
                content = json.dumps(body).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, listed: str, number: int, changed: str, **values: Any) -> None:
        row = {"id": number, "opened": "2026-01-01T00:00:00Z", "changed": changed, **values}
        self.lists[listed][number] = self.lists[listed].get(number, {}) | row

    def answer(self, path: str, token: str | None) -> tuple[int, Any]:
        if token != "Bearer t0p-secret":
            return 401, {"error": "who are you?"}
        if len(self.asked) == 3:
            return 429, {"error": "slowly"}
        parts = urlsplit(path)
        _, version, name, *rest = parts.path.split("/")
        assert version == "v1"
        rows = sorted(self.lists[name].values(), key=lambda row: (row["changed"], row["id"]))
        if rest == ["fields"]:
            return 200, {"fields": {field: "text" for row in rows for field in row}}
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        start = int(query.get("page", 0))
        return 200, {"items": rows[start : start + 3], "next": str(start + 3) if start + 3 < len(rows) else None}


@pytest.fixture
def desk(socket_enabled: None) -> Iterator[TinyDesk]:
    made = TinyDesk()
    for number in range(1, 6):
        made.put("customers", number, "2026-01-02T00:00:00Z", name=f"Customer {number}", crm_id=str(1000 + number))
    made.put("people", 9, "2026-01-02T00:00:00Z", customer=1, mail="ada@customer.example", name="Ada")
    for number in range(100, 107):
        # Larger than a float can represent exactly, and all changed in the same second.
        row = {"customer": number % 5 + 1, "asked_by": 9, "state": "open", "urgency": "high", "title": "It is slow"}
        made.put("tickets", 2**53 + number, "2026-01-03T00:00:00Z", **row)
    yield made
    made.server.shutdown()
    made.server.server_close()


# Run the commands in one process, since the imports cost more than the commands.
COMMANDS = """
import contextlib, io, json, os, sys
from include.cli import main as cli
sys.stderr = io.StringIO()
for line in sys.stdin:
    asked, out = json.loads(line), io.StringIO()
    os.environ |= asked["environment"]
    with contextlib.redirect_stdout(out):
        status = cli.main(asked["arguments"])
    print(json.dumps([status, out.getvalue(), sys.stderr.getvalue()]), flush=True)
    sys.stderr.truncate(0)
"""


@dataclass
class Done:
    """The result of a command."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def book(desk: TinyDesk, warehouse: str, tmp_path: Path) -> Iterator[Callable[..., Done]]:
    """A copy of Perennial with the example's folder and mapping installed. Return a function that runs its commands."""
    home = tmp_path / "perennial"
    leave_out = shutil.ignore_patterns("__pycache__", "sandbox")
    shutil.copytree(ROOT / "include", home / "include", ignore=leave_out)
    (home / "sql").symlink_to(ROOT / "sql")
    shutil.copytree(HOW_TO / "tinydesk", home / "include" / "connectors" / "support" / "tinydesk", ignore=leave_out)
    shutil.copy(HOW_TO / "mappings" / "tinydesk.yaml", home / "include" / "defaults" / "config" / "mappings")
    (tmp_path / "overlay" / "config").mkdir(parents=True)
    (tmp_path / "overlay" / "config" / "settings.yaml").write_text(SETTINGS)
    host = f"http://127.0.0.1:{desk.server.server_port}"
    environment = os.environ | {
        "PYTHONPATH": str(home),
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "PERENNIAL_CONFIG_DIR": str(tmp_path / "overlay"),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", COMMANDS],
        cwd=home,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(*arguments: str, now: str = NOW, password: str = "t0p-secret") -> Done:
        connection = {"conn_type": "generic", "host": host, "password": password, "extra": {"vendor": "tinydesk"}}
        given = {"PERENNIAL_NOW": now, "AIRFLOW_CONN_DESK": json.dumps(connection)}
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"arguments": arguments, "environment": given}) + "\n")
        process.stdin.flush()
        return Done(*json.loads(process.stdout.readline()))

    yield run
    process.kill()
    process.wait()


def _tickets() -> list[tuple]:
    query = "select id, status, organization_id, _is_deleted from raw.support__ticket where source = 'desk' order by id"
    with engine("reader").connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_folder_and_mapping_add_a_vendor(desk: TinyDesk, book: Callable[..., Done]) -> None:
    refused = book("connect", "check", "desk", password="wr0ng")
    assert refused.returncode == 3
    assert "correct the credentials of connection desk" in refused.stdout
    assert "wr0ng" not in refused.stdout + refused.stderr

    checked = book("connect", "check", "desk", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    found = {line["what"]: line for line in json.loads(checked.stdout)}
    assert found["settings"]["found"] == "tinydesk, 3 entities"
    assert found["ticket"]["state"] == "ok"
    assert "ada@" not in checked.stdout

    done = book("ingest", "desk")
    assert done.returncode == 0, done.stderr
    assert "desk is green" in done.stdout
    first = _tickets()
    assert [row[0] for row in first] == [str(2**53 + number) for number in range(100, 107)]
    assert {row[1] for row in first} == {"open"}

    # An edit, a deletion and a new field: the first two are read, the third is reported.
    desk.put("tickets", 2**53 + 100, "2026-01-15T12:10:00Z", state="waiting")
    desk.put("tickets", 2**53 + 101, "2026-01-15T12:10:00Z", deleted=True, mood="glad")
    done = book("ingest", "desk", now=LATER)
    assert done.returncode == 0, done.stderr
    assert "desk.ticket: mood was added (text)" in done.stderr
    second = _tickets()
    assert second[0][1] == "pending"
    assert [row[3] for row in second] == [False, True] + [False] * 5
    assert second[2:] == first[2:]


def test_vendor_is_referenced_only_in_its_folder() -> None:
    for path in ("include", "sql", "dags", "plugins"):
        for file in (ROOT / path).rglob("*"):
            if file.suffix in (".py", ".sql", ".yaml"):
                assert "tinydesk" not in file.read_text(encoding="utf-8").lower(), file
