"""The demo's calls to Airflow's REST API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import requests

from include.sandbox.demo.processes import DemoError
from include.sandbox.demo.waiting import ANSWER_SECONDS, ready

# Repeats a request until there is a response.
Ask = Callable[[Callable[[], requests.Response]], requests.Response]


class AirflowApi:
    """A logged-in client of a running Airflow.

    Args:
        base_url: The API server's address.
        user: Login name.
        password: Its password, exchanged for a token at once and whenever the token has expired.
        patiently: Repeats unanswered requests; without it they are errors.
    """

    def __init__(self, base_url: str, user: str, password: str, patiently: Ask | None = None) -> None:
        self._patiently = patiently or self._once
        self.base_url = base_url.rstrip("/")
        self._login = {"username": user, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between two processes of one machine

    def dags(self) -> dict[str, dict[str, Any]]:
        """Return the DAGs by id."""
        return {dag["dag_id"]: dag for dag in self._call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """Return the files that could not be read as DAGs, each with the last line of its error."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": is_paused})

    def trigger(self, dag_id: str) -> str:
        """Trigger a run and return its id. A request repeated after a lost response creates only one run."""
        run_id = f"demo__{uuid.uuid4()}"
        body = {"logical_date": None, "dag_run_id": run_id}
        answer = self._answered("POST", f"/dags/{dag_id}/dagRuns", json=body)
        if answer.status_code != 409:  # it exists already
            ready(answer, f"Airflow: run of {dag_id}")
        return run_id

    def runs(self, since: str) -> list[dict[str, Any]]:
        """Return the DAG runs created or updated since an ISO time, oldest first."""
        return self._pages("/dags/~/dagRuns", "dag_runs", updated_at_gte=since, order_by="id")

    def waiting_events(self, dag_id: str) -> int:
        """Return how many asset events are still queued for a DAG."""
        return self._call("GET", f"/dags/{dag_id}/assets/queuedEvents")["total_entries"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the tasks of a run."""
        return self._pages(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances", order_by="id")

    def _pages(self, path: str, name: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", path, params={**query, "limit": 100, "offset": len(found)})
            found += page[name]
            if not page[name] or len(found) >= page["total_entries"]:
                return found

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return ready(self._answered(method, path, **options), f"Airflow: {method} {path}")

    def _answered(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self._send(method, f"/api/v2{path}", **options)
        if answer.status_code == 401:
            self._log_in()
            answer = self._send(method, f"/api/v2{path}", **options)
        return answer

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self.base_url}{path}"
        return self._patiently(lambda: self._session.request(method, url, timeout=ANSWER_SECONDS, **options))

    def _once(self, ask: Callable[[], requests.Response]) -> requests.Response:
        try:
            return ask()
        except requests.RequestException as error:
            raise DemoError(f"Airflow's API at {self.base_url} does not answer: {type(error).__name__}") from None

    def _log_in(self) -> None:
        answer = self._send("POST", "/auth/token", json=self._login)
        if not answer.ok:
            raise DemoError(f"Airflow refused the login of {self._login['username']}: {answer.status_code}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
