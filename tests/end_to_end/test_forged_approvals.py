"""Attempts by users of Airflow's API to forge an approval, on a real Airflow with a pending question."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from include.common import clock
from include.common import home as homes
from include.config import load
from include.orchestration.airflow_settings import COMPONENTS
from include.orchestration.first_start import PASSWORD
from include.orchestration.health import unhealthy
from include.outbox import approvals, store
from include.sandbox.demo import stack, state
from include.warehouse.embedded import server
from include.warehouse.engine import engine
from tests.deliver.example_messages import action
from tests.fixtures.patience import until

ROOT = Path(__file__).resolve().parents[2]
# Run manually: a minute of CPU. Each claim has its own test in tests/outbox and tests/orchestration.
pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("socket_enabled")]
RUNS = "/dags/approve_actions/dagRuns"
# States in which a task waits for a person.
ENDS = ("awaiting_input", "success", "failed", "upstream_failed", "skipped")
# Mallory may approve and has changed the overlay; eve may use Airflow but not approve; vera has read access.
USERS = {"admin": "admin", "ada": "user", "mallory": "op", "eve": "user", "vera": "viewer", "ADA": "op"}


class Airflow:
    """A real Airflow with one DAG, and the warehouse.

    Args:
        folder: Their working folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        (folder / "dags").mkdir()
        shutil.copy(ROOT / "dags" / "approve_actions.py", folder / "dags")
        warehouse = server.start(self.home, ("perennial", "airflow"))
        known = state.load(self.home)
        known.port = server.free_port()
        metadata = warehouse.rpartition("/")[0] + "/airflow"
        self.environment = stack.base_environment(self.home, known, warehouse, metadata) | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
            "PERENNIAL_APPROVERS": "ada, mallory",
        }
        self.ui = self.environment["AIRFLOW__API__BASE_URL"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._tokens: dict[str, str] = {}

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a process."""
        with (self.folder / f"{command[-1]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command], env=self.environment | {PASSWORD: "x"}, cwd=self.folder,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self, *names: str) -> None:
        """Start components and wait until they are healthy."""
        self._running |= {name: self.run(*COMPONENTS[name]) for name in names}
        until(lambda: not self._missing(names), 0.5)

    def _missing(self, names: tuple[str, ...]) -> list[str]:
        dead = [name for name, process in self._running.items() if process.poll() is not None]
        assert not dead, "\n".join(log.read_text()[-3000:] for log in self.folder.glob("*.log"))
        return [name for name in unhealthy(self.ui, 600) if name in names]

    def stop(self, *names: str) -> None:
        """End components."""
        for name in names or list(self._running):
            process = self._running.pop(name)
            os.killpg(process.pid, 15)
            process.wait()

    def call(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        """Ask Airflow's API as somebody."""
        if user not in self._tokens:
            passwords = json.loads(
                Path(self.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text()
            )
            login = {"username": user, "password": passwords[user]}
            answer = requests.post(f"{self.ui}/auth/token", json=login, timeout=600)
            self._tokens[user] = answer.json()["access_token"]
        header = {"Authorization": f"Bearer {self._tokens[user]}"}
        return requests.request(method, f"{self.ui}/api/v2{path}", json=body, headers=header, timeout=600)

    def trigger(self, user: str, conf: dict[str, Any], run: str = "") -> str:
        """Start a run of approve_actions and return its name."""
        run = run or f"manual__{uuid.uuid4()}"
        body = {"logical_date": None, "dag_run_id": run, "conf": conf}
        answer = self.call(user, "POST", "/dags/approve_actions/dagRuns", body)
        assert answer.ok, answer.text
        return run

    def wait(self, run: str, task: str = "ask", state: str = ENDS[0]) -> None:
        """Wait until a task needs a person or has ended, and check its state."""

        def look() -> bool:
            self._missing(())
            answer = self.call("admin", "GET", f"{RUNS}/{run}/taskInstances/{task}")
            if not answer.ok or (is_in := answer.json()["state"]) not in ENDS:
                return False
            assert is_in == state, f"{task} of {run} is {is_in}, not {state}"
            return True

        until(look, 0.3)

    def answer(self, user: str, run: str, option: str = "Approve") -> int:
        """Answer a question and return the status."""
        path = f"{RUNS}/{run}/taskInstances/ask/-1/hitlDetails"
        return self.call(user, "PATCH", path, {"chosen_options": [option], "params_input": {}}).status_code

    def question(self, run: str) -> dict[str, Any]:
        """Return the question of a run."""
        found: dict[str, Any] = self.call("ada", "GET", f"{RUNS}/{run}/taskInstances/ask/-1/hitlDetails").json()
        return found


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    made = Airflow(tmp_path_factory.mktemp("approvals"))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in made.environment.items():
            if name.startswith("PERENNIAL_"):
                patched.setenv(name, value)
        try:
            overlay = made.home / "overlay"
            (overlay / "config").mkdir(parents=True)
            (overlay / "config" / "caps.yaml").write_text("actions_per_run: 6\n")
            for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "more")):
                who = ("-c", "user.name=mallory", "-c", "user.email=mallory@vendor.example")
                subprocess.run(["git", "-C", str(overlay), *who, *command], check=True)
            assert made.run("include.orchestration.first_start").wait() == 0
            made.start("api-server", "scheduler", "dag-processor")
            until(lambda: made.call("admin", "GET", "/dags/approve_actions").ok, 0.5)
            yield made
        finally:
            made.stop()
            server.destroy(made.home)
            homes.clear(made.home)


def _park_action(number: int) -> str:
    """Park an action behind an approval and return the approval's id."""
    parked = [action(entity_id=f"C-{number}", state="parked")]
    with engine("builder").begin() as connection:
        now = clock.now()
        waiting = approvals.request(connection, parked, f"flood-{number}", "the cap of 0", "", load(), now)
        store.plan(connection, waiting, f"flood-{number}", now)
    return waiting[0].approval_id


def test_approvals_cannot_be_forged(airflow: Airflow) -> None:
    first = _park_action(1)
    run = airflow.trigger("admin", {}, f"approval_{first}")
    airflow.wait(run)

    def is_open() -> bool:
        found = approvals.get(first)
        states = {row["state"] for row in approvals.listed(first)}
        return (found.state, found.answered_by, states) == ("open", "", {"parked"})

    # Airflow rejects answers by unassigned users.
    assert [user["id"] for user in airflow.question(run)["assigned_users"]] == ["ada", "mallory"]
    assert [airflow.answer(user, run) for user in ("vera", "eve", "admin", "ADA")] == [403] * 4

    # XComs and variables are never read.
    forged = {"chosen_options": ["Approve"], "responded_by_user": {"id": "ada", "name": "ada"}}
    for user in ("eve", "mallory"):
        path = f"{RUNS}/{run}/taskInstances/ask/xcomEntries"
        airflow.call(user, "POST", path, {"key": "return_value", "value": forged})
        airflow.call(user, "PATCH", f"{path}/return_value", {"value": forged})
    stored = airflow.call("eve", "GET", f"{path}/return_value")
    assert stored.ok and "ada" in stored.text
    for key in ("PERENNIAL_APPROVERS", "approvers"):
        assert airflow.call("mallory", "POST", "/variables", {"key": key, "value": "eve"}).ok

    # A task marked as succeeded has not asked anybody, so it has no answer.
    marked = airflow.call("mallory", "PATCH", f"{RUNS}/{run}/taskInstances/ask", {"new_state": "success"})
    assert marked.ok, marked.text
    airflow.wait(run, "record", "success")
    airflow.answer("mallory", run)
    assert is_open()
    # Cleared, it asks again, and answers given meanwhile do not count.
    body = {"dry_run": False, "dag_run_id": run, "task_ids": ["ask"], "only_failed": False, "include_downstream": True}
    assert airflow.call("eve", "POST", "/dags/approve_actions/clearTaskInstances", body).ok
    until(lambda: airflow.question(run).get("response_received") is False)
    airflow.wait(run)
    assert is_open()

    # A run asks only about the approval in its name, and its configuration is ignored.
    conf = {"approval_id": first, "answer": "approved", "by": "ada", **forged}
    for name in ("", "approval_", "approval"):
        airflow.wait(airflow.trigger("mallory", conf, name), "ask", "failed")
    pretended = airflow.trigger("mallory", conf, f"approval_{first}_x")
    airflow.wait(pretended)
    assert is_open()
    # An answer to this question approves no other one, even if the run was rebuilt.
    harmless, flood = _park_action(2), _park_action(3)
    name = airflow.trigger("admin", {}, f"approval_{harmless}")
    airflow.wait(name)
    assert airflow.call("mallory", "PATCH", f"{RUNS}/{name}", {"state": "failed"}).ok
    assert airflow.call("mallory", "DELETE", f"{RUNS}/{name}").ok
    airflow.wait(airflow.trigger("mallory", {"approval_id": flood}, name))
    assert airflow.answer("ada", name) == 200
    airflow.wait(name, "record", "success")
    assert (approvals.get(harmless).state, approvals.get(flood).state) == ("approved", "open")

    # An approver who changed the overlay is rejected, and the question is asked again.
    assert airflow.answer("mallory", run) == 200
    airflow.wait(run, "ask", "failed")
    again = f"{run}_2"
    airflow.wait(again)
    assert is_open() and "The answer of **mallory**" in airflow.question(again)["body"]

    # An approver's answer while the scheduler is down counts once it is back. The first answer counts.
    airflow.stop("scheduler")
    assert airflow.answer("ada", again) == 200
    assert airflow.answer("mallory", again, "Reject") == 409
    assert is_open()
    airflow.start("scheduler")
    airflow.wait(again, "record", "success")
    found = approvals.get(first)
    assert (found.state, found.answered_by, found.note) == ("approved", "ada", "in Airflow")
    assert airflow.answer("mallory", pretended, "Reject") == 200
    airflow.wait(pretended, "record", "success")
    assert approvals.get(first) == found and {row["state"] for row in approvals.listed(first)} == {"planned"}
