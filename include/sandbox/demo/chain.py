"""Let the real scheduler run the whole chain, and follow it until nothing is left to run."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import requests

from include.sandbox.demo.airflow_api import AirflowApi
from include.sandbox.demo.processes import DemoError
from include.sandbox.demo.progress import Progress, Row
from include.sandbox.demo.stack import Stack

# Consumers first: an event that nobody is turned on for is lost.
CONSUMERS = ("deliver", "decide", "build_kpis")
PRODUCERS = ("ingest_crm", "ingest_support", "ingest_product")
NIGHTLY = "rebuild_kpis"
# What changes between the two rounds: the kind of record, its entity, and the new values.
HAPPENINGS = (
    ("contact", "contact", {"jobtitle": "Head of Operations"}),
    ("company", "account", {"industry": "Robotics"}),
)
ACTIVE = ("queued", "running")
LISTED_SECONDS = 60
CHAIN_SECONDS = 1800


class Chain:
    """The DAGs of a running demo.

    Args:
        stack: The running demo.
        progress: Where its course is shown.
    """

    def __init__(self, stack: Stack, progress: Progress) -> None:
        self._stack = stack
        self._progress = progress
        self._api = AirflowApi(stack.ui, "admin", stack.state.password)
        self._prefix = os.environ.get("PERENNIAL_DAG_PREFIX", "")
        self._ended: dict[tuple[str, str], tuple[int, int]] = {}

    def wait_until_listed(self) -> None:
        """Wait until Airflow has read every DAG file.

        Raises:
            DemoError: A file cannot be read as a DAG, or the files are not read in time.
        """
        wanted = {self._prefix + name for name in (*CONSUMERS, *PRODUCERS, NIGHTLY)}
        deadline = time.monotonic() + LISTED_SECONDS
        while not wanted <= set(self._api.dags()):
            self._stack.processes.check()
            errors = self._api.import_errors()
            if errors:
                raise DemoError(f"Airflow cannot read a DAG file: {errors[0]}")
            if time.monotonic() > deadline:
                raise DemoError(f"Airflow listed no {', '.join(sorted(wanted - set(self._api.dags())))}")
            time.sleep(0.3)

    def first_round(self) -> list[dict[str, Any]]:
        """Turn everything on; turning a producer on makes Airflow run it at once.

        Returns:
            The runs that took place.
        """
        began = _iso_now()
        before = self._api.dags()
        for name in (*CONSUMERS, *PRODUCERS):
            self._api.unpause(self._prefix + name)
        for name in PRODUCERS:
            if not before[self._prefix + name]["is_paused"]:  # an earlier start has turned it on
                self._api.trigger(self._prefix + name)
        return self._follow(began)

    def let_something_happen(self) -> None:
        """Let a few records change at the vendors, as on any day."""
        control = f"{self._stack.sandbox['url']}/_control"
        known = requests.get(f"{control}/truth", params={"ids": "1"}, timeout=60).json()
        for kind, entity, change in HAPPENINGS:
            body = {"kind": kind, "op": "touch", "ids": known[entity]["live_ids"][:5], "set": change}
            requests.post(f"{control}/mutate", json=body, timeout=60).raise_for_status()

    def next_round(self) -> list[dict[str, Any]]:
        """Read the sources once more, as the next tick of the clock would.

        Returns:
            The runs that took place.
        """
        began = _iso_now()
        for name in PRODUCERS:
            self._api.trigger(self._prefix + name)
        return self._follow(began)

    def nightly(self) -> list[dict[str, Any]]:
        """Turn the nightly rebuild on, which makes Airflow run it for yesterday.

        Returns:
            The runs that took place.
        """
        began = _iso_now()
        self._api.unpause(self._prefix + NIGHTLY)
        return self._follow(began)

    def _follow(self, began: str) -> list[dict[str, Any]]:
        """Show the runs until none is active and no event waits for one."""
        deadline = time.monotonic() + CHAIN_SECONDS
        quiet = 0
        while True:
            self._stack.processes.check()
            runs = self._api.runs(began)
            self._progress.runs([self._row(run) for run in runs])
            # Airflow makes a run from an event within one turn of its loop; twice nothing is the end.
            settled = runs and not any(run["state"] in ACTIVE for run in runs) and not self._events_wait()
            quiet = quiet + 1 if settled else 0
            if quiet > 2:
                return runs
            if time.monotonic() > deadline:
                raise DemoError(
                    f"the chain did not end within {CHAIN_SECONDS // 60} minutes", cure=f"see {self._stack.ui}"
                )
            time.sleep(0.5)

    def _events_wait(self) -> bool:
        return any(self._api.waiting_events(self._prefix + name) for name in CONSUMERS)

    def _row(self, run: dict[str, Any]) -> Row:
        dag, state = run["dag_id"], run["state"]
        n_done, n_tasks = self._count_tasks(dag, run["dag_run_id"], state)
        started = run["start_date"]
        ended = datetime.fromisoformat(run["end_date"]) if run["end_date"] else datetime.now(UTC)
        seconds = (ended - datetime.fromisoformat(started)).total_seconds() if started else 0.0
        return Row(dag, state, n_done, n_tasks, seconds)

    def _count_tasks(self, dag: str, run: str, state: str) -> tuple[int, int]:
        """Ask for a run's tasks only where somebody watches, and only while it runs."""
        if not self._progress.console.is_terminal or state == "queued":
            return 0, 0
        if (dag, run) in self._ended:
            return self._ended[dag, run]
        tasks = self._api.tasks(dag, run)
        counts = sum(task["state"] in ("success", "failed", "skipped", "upstream_failed") for task in tasks), len(tasks)
        if state != "running":
            self._ended[dag, run] = counts
        return counts


def failures(api_runs: list[dict[str, Any]]) -> list[str]:
    """Return the runs that did not succeed, as DAG and run id."""
    return [f"{run['dag_id']} ({run['dag_run_id']})" for run in api_runs if run["state"] != "success"]


def _iso_now() -> str:
    return datetime.now(UTC).isoformat()
