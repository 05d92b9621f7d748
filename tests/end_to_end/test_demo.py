"""The demo under the real scheduler, as `make demo` runs it, and its users' next steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from include.sandbox.demo.airflow_api import AirflowApi
from include.sandbox.demo.processes import leftovers, stop_leftovers
from include.warehouse.embedded import server
from tests.fixtures.patience import until

ROOT = Path(__file__).resolve().parents[2]
# Run manually, since it needs both cores: next to other tests a real scheduler misses its deadlines.
pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("socket_enabled")]


class Demo:
    """A launcher in its own folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.output = home.parent / "output.txt"
        self._launcher: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        own = {"PERENNIAL_HOME": str(self.home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
        with self.output.open("wb") as output:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "include.sandbox.demo", "--customers", "24", *arguments],
                env={k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "PERENNIAL"))} | own,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> None:
        while text not in self.output.read_text():
            assert self._launcher
            assert self._launcher.poll() is None, self.output.read_text()
            time.sleep(0.5)

    def end(self, number: signal.Signals) -> int:
        assert self._launcher
        self._launcher.send_signal(number)
        return self._launcher.wait()

    def remove(self) -> None:
        if self._launcher and self._launcher.poll() is None:
            self._launcher.kill()
            self._launcher.wait()
        stop_leftovers(self.home)
        server.destroy(self.home)

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.home / "demo.json").read_text())

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.state['port']}"

    @property
    def api(self) -> AirflowApi:
        return AirflowApi(self.ui, "admin", self.state["password"])

    @property
    def sandbox(self) -> dict[str, Any]:
        return json.loads((self.home / "sandbox" / "sandbox.json").read_text())

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(server.running_url(self.home))
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(sa.text(statement))]
        engine.dispose()
        return rows

    def run(self, dag_id: str) -> dict[str, Any]:
        """Trigger a DAG and return its run when it has ended."""
        run_id = self.api.trigger(dag_id)
        return until(lambda: self._ended(dag_id, run_id), 0.5)

    def _ended(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        run = self.api._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        return run if run["state"] in ("success", "failed") else None


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="perennial demo ") as folder:
        running = Demo(Path(folder) / "home")
        try:
            running.start()
            running.wait_for("Everything keeps running")
            yield running
        finally:
            running.remove()


def test_chain_runs_and_the_summary_reports_its_results(demo):
    text = demo.output.read_text()
    for part in ("Rows read", "crm is green", "ARR", "Renewals due in 120 days", "CRM tasks", "Inbox", "password"):
        assert part in text
    runs = demo.api.runs("2020-01-01T00:00:00+00:00")
    assert {run["state"] for run in runs} == {"success"}
    assert {run["dag_id"] for run in runs} == {
        "ingest_crm",
        "ingest_support",
        "ingest_product",
        "build_kpis",
        "decide",
        "deliver",
    }


def test_every_delivery_arrived_once(demo):
    sent = dict(demo.query("select channel, count(*) from ops.outbox where state = 'sent' group by channel"))
    assert min(sent["slack"], sent["email"], sent["crm_task"], sent["crm_field"]) > 0
    inbox = requests.get(f"{demo.sandbox['url']}/inbox.json", timeout=600).json()
    assert len(inbox["mails"]) == sent["email"]
    assert len(inbox["messages"]) == sent["slack"]


def test_secrets_are_private_and_in_no_log(demo):
    assert demo.home.stat().st_mode & 0o777 == 0o700
    secrets = [value for key, value in demo.state.items() if key != "port"]
    secrets += [json.loads(value)["password"] for value in demo.sandbox["connections"].values()]
    for log in (*demo.home.glob("logs/*.log"), *demo.home.glob("airflow/logs/**/*.log")):
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_ui_page_requires_a_login(demo):
    address = f"{demo.ui}/perennial/"
    assert requests.get(address, timeout=600).status_code == 401
    assert requests.get(address, headers={"Authorization": "Bearer x"}, timeout=600).status_code in (401, 403)
    login = {"username": "admin", "password": demo.state["password"]}
    token = requests.post(f"{demo.ui}/auth/token", json=login, timeout=600).json()["access_token"]
    page = requests.get(address, cookies={"_token": token}, timeout=600)
    assert page.status_code == 200
    assert "Complete up to" in page.text
    assert requests.get(f"{address}docs", cookies={"_token": token}, timeout=600).status_code == 404
    plugins = demo.api._call("GET", "/plugins")
    assert [plugin["name"] for plugin in plugins["plugins"]] == ["perennial"]


def test_past_days_are_backfilled_natively_and_nothing_is_sent(demo):
    before = demo.query("select count(*), sum(n_attempts) from ops.outbox")
    figures = (
        "select day, count(*), sum(arr) from marts.account_day where day >= current_date - 40 group by day order by 1"
    )
    rows = demo.query(figures)
    last = date.today() - timedelta(days=32)
    demo.api.set_paused("rebuild_kpis", False)
    until(lambda: not _active(demo, "rebuild_kpis"), 0.5)
    body = {
        "dag_id": "rebuild_kpis",
        "from_date": f"{last - timedelta(days=1)}T00:00:00Z",
        "to_date": f"{last}T00:00:00Z",
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "run_backwards": False,
        "dag_run_conf": {},
    }
    backfill = demo.api._call("POST", "/backfills", json=body)
    until(lambda: demo.api._call("GET", f"/backfills/{backfill['id']}")["completed_at"], 0.5)
    runs = [run for run in demo.api.runs("2020-01-01T00:00:00+00:00") if run["dag_id"] == "rebuild_kpis"]
    days = {str(last - timedelta(days=1)), str(last)}
    assert {run["partition_key"] for run in runs if run["run_type"] == "backfill"} == days
    assert {run["state"] for run in runs} == {"success"}
    built = demo.query("select window_start::text from meta.build where kind = 'rebuild' and state = 'done'")
    assert days <= {day for (day,) in built}
    assert demo.query(figures) == rows
    assert demo.query("select count(*), sum(n_attempts) from ops.outbox") == before


def test_rejecting_source_turns_red_is_reported_once_and_recovers(demo):
    control = f"{demo.sandbox['url']}/_control/switches"
    requests.post(control, json={"hubspot.expired_token": True}, timeout=600).raise_for_status()
    run = demo.run("ingest_crm")
    again = demo.run("ingest_crm")
    assert (run["state"], again["state"]) == ("failed", "failed")
    tasks = {task["task_id"]: task for task in demo.api.tasks("ingest_crm", run["dag_run_id"])}
    assert tasks["extract_account"]["state"] == "failed"
    assert tasks["extract_account"]["try_number"] == 1
    assert tasks["publish"]["state"] == "success"
    assert tasks["show_verdict"]["state"] == "upstream_failed"
    state, reason, cure = demo.query(
        "select state, reason, cure from meta.verdict where source = 'crm' and entity = ''"
    )[0]
    assert state == "red"
    assert reason
    assert cure
    mails = requests.get(f"{demo.sandbox['url']}/inbox.json", timeout=600).json()["mails"]
    notices = [mail for mail in mails if "ingest_crm, task extract_account fails" in mail["subject"]]
    assert len(notices) == 1
    requests.post(control, json={"hubspot.expired_token": None}, timeout=600).raise_for_status()
    assert demo.run("ingest_crm")["state"] == "success"


def test_ctrl_c_stops_everything_cleanly(demo):
    until(lambda: not _active(demo), 0.5)
    assert demo.end(signal.SIGINT) == 0, demo.output.read_text()
    assert leftovers(demo.home) == []
    with pytest.raises(Exception, match="is not running"):
        server.running_url(demo.home)


def _active(demo: Demo, dag_id: str = "") -> list[dict[str, Any]]:
    runs = demo.api.runs("2020-01-01T00:00:00+00:00")
    return [run for run in runs if run["state"] in ("queued", "running") and dag_id in ("", run["dag_id"])]
