"""Run the whole chain under the real scheduler, and follow it until nothing is left to run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.orchestration.airflow_settings import SETTINGS
from include.sandbox.demo.airflow_api import AirflowApi
from include.sandbox.demo.processes import DemoError
from include.sandbox.demo.progress import Progress, Row
from include.sandbox.demo.stack import Stack

# Consumers first: an asset event without an unpaused consumer is lost.
CONSUMERS = ("deliver", "decide", "publish_reports", "build_kpis")
PRODUCERS = ("ingest_crm", "ingest_support", "ingest_product")
NIGHTLY = "rebuild_kpis"
# Changes between the two rounds: the kind of record, its entity, and the new values.
CHANGES = (
    ("contact", "contact", {"jobtitle": "Head of Operations"}),
    ("company", "account", {"industry": "Robotics"}),
)
ACTIVE = ("queued", "running")
# Airflow considers a task lost after this long without a heartbeat.
INTERRUPTED_MINUTES = int(SETTINGS["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"]) // 60
_EVER = "2000-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class FailedRun:
    """A failed run, and the log that says why.

    Args:
        dag: The DAG.
        run: The run's id.
        task: The first failed task; "" if none failed.
        log: Its log, or the folder of all logs.
        is_old: Whether the run began before this start, so that the last stop may have interrupted it.
    """

    dag: str
    run: str
    task: str
    log: Path
    is_old: bool


class Chain:
    """The DAGs of a running demo.

    Args:
        stack: The running demo.
        progress: Displays the runs.
    """

    def __init__(self, stack: Stack, progress: Progress) -> None:
        self._stack = stack
        self._progress = progress
        self._log = stack.home / "logs" / "api-server.log"
        self._api = AirflowApi(
            stack.ui, "admin", stack.state.password, lambda ask: stack.waiter.answer("Airflow", self._log, ask)
        )
        self._prefix = os.environ.get("PERENNIAL_DAG_PREFIX", "")
        self._ended: dict[tuple[str, str], tuple[int, int]] = {}
        self._before: set[tuple[str, str]] = set()
        self.is_resumed = False

    def wait_until_listed(self) -> None:
        """Wait until Airflow has read every DAG file, and check what an earlier start has left.

        Raises:
            DemoError: A file cannot be read as a DAG.
        """
        wanted = {self._prefix + name for name in (*CONSUMERS, *PRODUCERS, NIGHTLY)}

        def are_listed() -> bool:
            if errors := self._api.import_errors():
                raise DemoError(f"Airflow cannot read a DAG file: {errors[0]}")
            return wanted <= set(self._api.dags())

        self._stack.waiter.until("the list of DAGs", self._stack.home / "logs" / "dag-processor.log", are_listed)
        dags = self._api.dags()
        self.is_resumed = any(not dags[self._prefix + name]["is_paused"] for name in CONSUMERS)
        self._before = {(run["dag_id"], run["dag_run_id"]) for run in self._api.runs(_EVER)}

    def first_round(self) -> list[dict[str, Any]]:
        """Unpause all DAGs. Airflow runs a producer as soon as it is unpaused.

        Returns:
            The runs that took place.
        """
        began = _iso_now()
        before = self._api.dags()
        for name in (*CONSUMERS, *PRODUCERS):
            self._api.set_paused(self._prefix + name, False)
        for name in PRODUCERS:
            if self.is_resumed or not before[self._prefix + name]["is_paused"]:
                self._api.trigger(self._prefix + name)
        return self._follow(began)

    def change_some_records(self) -> None:
        """Change a few records at the vendors, as on any day."""
        known = self._stack.sandbox_answer("GET", "/_control/truth", params={"ids": "1"})
        for kind, entity, change in CHANGES:
            body = {"kind": kind, "op": "touch", "ids": known[entity]["live_ids"][:5], "set": change}
            self._stack.sandbox_answer("POST", "/_control/mutate", json=body)

    def next_round(self) -> list[dict[str, Any]]:
        """Read the sources again, as the schedule would.

        Returns:
            The runs that took place.
        """
        began = _iso_now()
        for name in PRODUCERS:
            self._api.trigger(self._prefix + name)
        return self._follow(began)

    def nightly(self) -> list[dict[str, Any]]:
        """Unpause the nightly rebuild, which Airflow then runs for yesterday.

        Returns:
            The runs that took place.
        """
        began = _iso_now()
        self._api.set_paused(self._prefix + NIGHTLY, False)
        return self._follow(began)

    def _follow(self, began: str) -> list[dict[str, Any]]:
        """Show the runs until none is active and no asset event is queued.

        A producer that has run is paused until then. Otherwise, on a slow machine, its schedule starts the next read
        before the chain has ended, and there is no end.
        """
        quiet, seen, since, paused = 0, None, time.monotonic(), set[str]()
        while True:
            self._stack.check()
            runs = self._api.runs(began)
            self._progress.runs([self._row(run) for run in runs])
            over = self._have_run(runs)
            for name in over ^ paused:  # paused too late: a paused DAG would never finish the run that began meanwhile
                self._api.set_paused(name, name in over)
            paused = over
            if seen != (seen := [(run["dag_run_id"], run["state"]) for run in runs]):
                since = time.monotonic()
            self._progress.waiting(self._awaited(runs), time.monotonic() - since, self._logs)
            # Airflow turns an event into a run within one scheduler loop, so the end must be seen several times in a
            # row.
            settled = runs and not any(run["state"] in ACTIVE for run in runs) and not self._events_wait()
            quiet = quiet + 1 if settled else 0
            if quiet > 2:
                for name in paused:
                    self._api.set_paused(name, False)
                return runs
            time.sleep(0.5)

    def _have_run(self, runs: list[dict[str, Any]]) -> set[str]:
        of_producers = [run for run in runs if run["dag_id"].removeprefix(self._prefix) in PRODUCERS]
        return {run["dag_id"] for run in of_producers} - {
            run["dag_id"] for run in of_producers if run["state"] in ACTIVE
        }

    def _awaited(self, runs: list[dict[str, Any]]) -> str:
        active = [run for run in runs if run["state"] in ACTIVE]
        text = ", ".join(dict.fromkeys(run["dag_id"] for run in active)) or "runs waiting for events"
        if any((run["dag_id"], run["dag_run_id"]) in self._before for run in active):
            text += f" (runs interrupted by the last stop restart within {INTERRUPTED_MINUTES} minutes)"
        return text

    def failed_runs(self, runs: list[dict[str, Any]]) -> list[FailedRun]:
        """Return the runs that did not succeed, each with its log."""
        return [self._failed_run(run) for run in runs if run["state"] != "success"]

    def _failed_run(self, run: dict[str, Any]) -> FailedRun:
        dag, run_id = run["dag_id"], run["dag_run_id"]
        tasks = [task for task in self._api.tasks(dag, run_id) if task["state"] == "failed"]
        tasks.sort(key=lambda task: task["end_date"] or "")
        task, log = "", self._logs / f"dag_id={dag}" / f"run_id={run_id}"
        if tasks:
            task = tasks[0]["task_id"]
            log = log / f"task_id={task}" / f"attempt={tasks[0]['try_number']}.log"
        return FailedRun(dag, run_id, task, log, (dag, run_id) in self._before)

    @property
    def _logs(self) -> Path:
        return self._stack.home / "airflow" / "logs"

    def _events_wait(self) -> bool:
        return any(self._api.waiting_events(self._prefix + name) for name in CONSUMERS)

    def _row(self, run: dict[str, Any]) -> Row:
        dag, state = run["dag_id"], run["state"]
        n_done, n_tasks = self._count_tasks(dag, run["dag_run_id"], state)
        started = run["start_date"]
        ended = datetime.fromisoformat(run["end_date"]) if run["end_date"] else datetime.now(UTC)
        seconds = (ended - datetime.fromisoformat(started)).total_seconds() if started else 0.0
        return Row(dag, run["dag_run_id"], state, n_done, n_tasks, seconds)

    def _count_tasks(self, dag: str, run: str, state: str) -> tuple[int, int]:
        """Count a run's tasks, if there is a terminal to show them and the run is active."""
        if not self._progress.console.is_terminal or state == "queued":
            return 0, 0
        if (dag, run) in self._ended:
            return self._ended[dag, run]
        tasks = self._api.tasks(dag, run)
        counts = sum(task["state"] in ("success", "failed", "skipped", "upstream_failed") for task in tasks), len(tasks)
        if state != "running":
            self._ended[dag, run] = counts
        return counts


def _iso_now() -> str:
    return datetime.now(UTC).isoformat()
