"""The few calls to Airflow's REST API that the demo makes."""

from __future__ import annotations

from typing import Any

import requests

from include.sandbox.demo.processes import DemoError


class AirflowApi:
    """A logged-in client of a running Airflow.

    Args:
        base_url: The API server's address.
        user: Login name.
        password: Its password; exchanged for a token at once, and again whenever the token has expired.
    """

    def __init__(self, base_url: str, user: str, password: str) -> None:
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

    def unpause(self, dag_id: str) -> None:
        """Turn a DAG on."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str) -> str:
        """Start a run and return its id."""
        return self._call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None})["dag_run_id"]

    def runs(self, since: str) -> list[dict[str, Any]]:
        """Return the DAG runs that were made or moved at or after an ISO time, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"updated_at_gte": since, "order_by": "id", "limit": 100, "offset": len(found)}
            page = self._call("GET", "/dags/~/dagRuns", params=query)
            found += page["dag_runs"]
            if not page["dag_runs"] or len(found) >= page["total_entries"]:
                return found

    def waiting_events(self, dag_id: str) -> int:
        """Return how many asset events have not yet become a run of a DAG."""
        return self._call("GET", f"/dags/{dag_id}/assets/queuedEvents")["total_entries"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        return self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 100})[
            "task_instances"
        ]

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        if answer.status_code == 401:
            self._log_in()
            answer = self._send(method, path, **options)
        if not answer.ok:
            raise DemoError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:300]}")
        return answer.json()

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(method, f"{self.base_url}/api/v2{path}", timeout=30, **options)
        except requests.RequestException as error:
            raise DemoError(f"Airflow's API at {self.base_url} does not answer: {type(error).__name__}") from None

    def _log_in(self) -> None:
        answer = self._session.post(f"{self.base_url}/auth/token", json=self._login, timeout=30)
        if not answer.ok:
            raise DemoError(f"Airflow refused the login of {self._login['username']}: {answer.status_code}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
