"""Only a dead process ends the demo, not slow or missing responses or failed runs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from rich.console import Console

from include.cli.output import Waiting
from include.sandbox.demo import __main__ as demo
from include.sandbox.demo import chain as chains
from include.sandbox.demo import summary
from include.sandbox.demo.airflow_api import AirflowApi
from include.sandbox.demo.processes import DemoError
from include.sandbox.demo.progress import Progress, Row
from include.sandbox.demo.waiting import Waiter

LOG = Path("the.log")


class Slow:
    """Airflow's API on a slow machine: most responses are lost, late or report overload.

    Args:
        rounds: Result of each poll of the runs; the last one repeats.
        n_lost: Number of lost requests per kind before a response.
    """

    def __init__(self, rounds: list[list[dict[str, Any]]], n_lost: int = 3) -> None:
        self.rounds = rounds
        self.n_lost = n_lost
        self.calls: dict[tuple[str, str], int] = {}
        self.triggered: dict[str, list[str]] = {}
        self.paused = True
        self.changes: list[tuple[str, bool]] = []

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        path = url.split("8080", 1)[1]
        number = self.calls[method, path] = self.calls.get((method, path), 0) + 1
        if number % (self.n_lost + 1):
            if method == "POST" and path.endswith("dagRuns"):
                self._answer(method, path, options)  # executed, only the response is lost
            fault = (requests.ReadTimeout, requests.ConnectionError, 503)[number % 3]
            if isinstance(fault, int):
                return made(fault, {})
            raise fault
        return self._answer(method, path, options)

    def _answer(self, method: str, path: str, options: dict[str, Any]) -> requests.Response:
        if path.endswith("/dags"):
            names = (*chains.CONSUMERS, *chains.PRODUCERS, chains.NIGHTLY)
            return made(200, {"dags": [{"dag_id": name, "is_paused": self.paused} for name in names]})
        if path.endswith("/importErrors"):
            return made(200, {"import_errors": []})
        if path.endswith("/~/dagRuns"):
            runs = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
            return made(200, {"dag_runs": runs, "total_entries": len(runs)})
        if path.endswith("/queuedEvents"):
            return made(200, {"total_entries": 0})
        if path.endswith("/taskInstances"):
            tasks = [{"task_id": "land", "state": "failed", "try_number": 2, "end_date": "2026-11-29"}]
            return made(200, {"task_instances": tasks, "total_entries": 1})
        if method == "PATCH":
            self.changes.append((path.rpartition("/")[2], options["json"]["is_paused"]))
        if method == "POST" and path.endswith("/dagRuns"):
            ids = self.triggered.setdefault(path, [])
            if options["json"]["dag_run_id"] in ids:
                return made(409, {})
            ids.append(options["json"]["dag_run_id"])
        return made(200, {})


def made(status: int, body: Any) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.json = lambda: body  # type: ignore[method-assign]
    return answer


def run(dag: str, state: str, number: str = "1") -> dict[str, Any]:
    return {"dag_id": dag, "dag_run_id": number, "state": state, "start_date": None, "end_date": None}


class Stage:
    """A demo with fake parts: an API, a console and a responding sandbox."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, api: Slow, home: Path) -> None:
        self.ended = False
        self.output = io.StringIO()
        self.progress = Progress(Console(file=self.output, width=200))
        monkeypatch.setattr(chains.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(summary, "addresses", lambda stack, console: console.print("user admin"))
        monkeypatch.setattr(summary, "show", lambda stack, runs, progress: [])
        monkeypatch.setattr(requests.Session, "request", lambda session, *a, **options: api.request(*a, **options))
        self.stack: Any = SimpleNamespace(
            home=home,
            ui="http://127.0.0.1:8080",
            state=SimpleNamespace(password="p"),
            waiter=Waiter(self.check, self.progress.waiting, pause=0),
            check=self.check,
            sandbox_answer=lambda method, path, **options: {
                "contact": {"live_ids": [1]},
                "account": {"live_ids": [1]},
            },
        )

    def check(self) -> None:
        if self.ended:
            raise DemoError("scheduler exited unexpectedly")

    def run(self) -> bool:
        return demo._run_chain(self.stack, self.progress)


@pytest.fixture
def stage(monkeypatch, tmp_path) -> Callable[[Slow], Stage]:
    return lambda api: Stage(monkeypatch, api, tmp_path)


def test_lost_late_and_rejected_responses_are_tolerated_and_trigger_once(stage):
    done = [run(name, "success") for name in (*chains.PRODUCERS, *chains.CONSUMERS)]
    api = Slow([[], [run("ingest_crm", "running")], done])
    assert stage(api).run()
    assert {len(ids) for ids in api.triggered.values()} == {1}
    assert len(api.triggered) == len(chains.PRODUCERS)


def test_failed_run_is_reported_with_its_log_and_the_login_is_shown(stage):
    shown = stage(Slow([[], [run("ingest_crm", "success"), run("decide", "failed", "r7")]]))
    assert not shown.run()
    text = shown.output.getvalue()
    assert "decide, task land (run r7)" in text
    assert "dag_id=decide/run_id=r7/task_id=land/attempt=2.log" in text
    assert "user admin" in text


def test_run_interrupted_by_an_earlier_stop_is_ignored(stage):
    before = [run("decide", "running", "old")]
    shown = stage(Slow([before, [run("decide", "failed", "old"), run("ingest_crm", "success", "new")]]))
    assert shown.run()
    assert "Not counted: 1 failed runs of decide" in shown.output.getvalue()


def test_wait_for_an_interrupted_run_shows_its_duration(stage):
    shown = stage(Slow([[]]))
    chain = chains.Chain(shown.stack, shown.progress)
    runs = [run("ingest_crm", "running", "old"), run("ingest_crm", "queued", "new"), run("decide", "success")]
    assert chain._awaited(runs) == "ingest_crm"
    chain._before = {("ingest_crm", "old")}
    assert chain._awaited(runs) == "ingest_crm (runs interrupted by the last stop restart within 3 minutes)"


def test_schedule_waits_for_the_end_of_the_chain(stage):
    class Scheduled(Slow):
        """Reads the CRM again whenever a read is over, unless the DAG is paused."""

        def _answer(self, method, path, options):
            if path.endswith("/~/dagRuns"):
                number = str(len(self.calls))
                is_paused = dict(self.changes).get("ingest_crm", True)
                reads = [
                    run("ingest_crm", "success", "1"),
                    *([] if is_paused else [run("ingest_crm", "running", number)]),
                ]
                self.rounds = [reads if self.calls[method, path] % 3 else reads[:1]]
            return super()._answer(method, path, options)

    api = Scheduled([[]], n_lost=0)
    assert stage(api).run()
    assert api.changes[-1] == ("ingest_crm", False)


def test_defect_after_the_start_is_reported_and_ends_nothing(stage, monkeypatch):
    shown = stage(Slow([[], [run("ingest_crm", "success")]]))

    def broken(*arguments):
        raise DemoError("the sandbox answered 404 [to it]")

    monkeypatch.setattr(summary, "show", broken)
    assert not shown.run()
    assert "the sandbox answered 404 [to it]" in shown.output.getvalue()


def test_dead_process_ends_the_demo_even_during_a_wait(stage):
    api = Slow([[run("ingest_crm", "running")]], n_lost=10**9)
    shown = stage(api)
    real = api.request

    def dies(*arguments, **options):
        shown.ended = sum(api.calls.values()) > 50
        return real(*arguments, **options)

    api.request = dies
    with pytest.raises(DemoError, match="scheduler exited unexpectedly"):
        shown.run()


def test_no_response_without_patience_is_an_error(monkeypatch):
    api = Slow([[]], n_lost=10**9)
    monkeypatch.setattr(requests.Session, "request", lambda session, *a, **options: api.request(*a, **options))
    with pytest.raises(DemoError, match="does not answer"):
        for _ in range(3):
            AirflowApi("http://127.0.0.1:8080", "admin", "p").dags()


def test_wait_is_reported_rarely_and_with_its_log():
    said: list[str] = []
    waiting = Waiting(said.append)
    for second in range(250):
        waiting("PostgreSQL", second, LOG)
    assert said == [f"waiting for PostgreSQL for {seconds} s; see the.log" for seconds in (15, 30, 60, 120, 180, 240)]
    for second in (0, 14, 16):
        waiting("PostgreSQL", second, LOG)
    assert len(said) == 7


def test_run_is_reported_once_per_state_in_any_order():
    output = io.StringIO()
    progress = Progress(Console(file=output, width=100))
    first, second = Row("decide", "a", "running", 0, 0, 1.0), Row("decide", "b", "queued", 0, 0, 1.0)
    for rows in ([first], [second, first], [first, second]):
        progress.runs(rows)
    assert output.getvalue().count("decide") == 2
