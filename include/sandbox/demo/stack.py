"""Start all parts of the demo in the order of their dependencies."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy.engine import make_url

from include.common import paths
from include.orchestration.airflow_settings import COMPONENTS, SETTINGS
from include.orchestration.first_start import PASSWORD
from include.orchestration.health import unhealthy
from include.sandbox.demo import command, overlay
from include.sandbox.demo.processes import DemoError, Processes, last_words
from include.sandbox.demo.progress import Progress
from include.sandbox.demo.state import State
from include.sandbox.demo.waiting import ANSWER_SECONDS, Waiter, ready
from include.warehouse.embedded import server

STYLE = "found"  # the demo's portal records contracts as real portals do
DATABASES = ("perennial", "airflow", "product")


@dataclass
class Stack:
    """A running demo and the addresses of its parts.

    Args:
        home: The demo's folder.
        state: Its secrets.
        processes: Its processes.
        environment: The environment of every process.
        sandbox: The sandbox's note of its addresses.
        waiter: Waits for its parts.
    """

    home: Path
    state: State
    processes: Processes
    environment: dict[str, str]
    sandbox: dict
    waiter: Waiter

    @property
    def ui(self) -> str:
        """The address of Airflow's UI."""
        return f"http://127.0.0.1:{self.state.port}"

    def check(self) -> None:
        """Make sure that all its processes are alive.

        Raises:
            DemoError: A process has ended.
        """
        self.processes.check()
        if not server.pid(self.home):
            log = server.log(self.home)
            raise DemoError(
                f"PostgreSQL exited unexpectedly: {last_words(log)}", cure=f"see {log}; `make demo` restarts it"
            )

    def sandbox_answer(self, method: str, path: str, **options: Any) -> Any:
        """Call the sandbox until it responds."""
        return _of_sandbox(self.waiter, self.home, self.sandbox["url"], method, path, **options)


def start(home: Path, state: State, processes: Processes, progress: Progress, customers: int | None = None) -> Stack:
    """Start the database, the sandbox and Airflow.

    Args:
        home: The demo's folder.
        state: Its secrets and port.
        processes: Records the started processes.
        progress: Receives each stage as it begins, and what is being waited for.
        customers: Number of customers of a new sandbox; None for its default.

    Returns:
        The running demo.

    Raises:
        DemoError: A part did not start.
        WarehouseError: PostgreSQL did not start.
    """
    progress.stage("PostgreSQL")
    warehouse = server.start(home, DATABASES, waiting=progress.waiting)
    url = make_url(warehouse)
    environment = base_environment(home, state, warehouse, _render(url, "airflow"))

    progress.stage("sandbox vendors and databases")
    waiter = Waiter(processes.check, progress.waiting)
    (home / "sandbox" / "sandbox.json").unlink(missing_ok=True)  # an earlier start's addresses
    size = ["--customers", str(customers)] if customers else []
    processes.start(
        "sandbox",
        [sys.executable, "-m", "include.sandbox", "serve", "--home", str(home / "sandbox"), "--custom", STYLE, *size],
        environment | {"PERENNIAL_SANDBOX_PRODUCT_URL": _render(url, "product")},
    )
    processes.start(
        "first-start",
        [sys.executable, "-m", "include.orchestration.first_start"],
        environment | {PASSWORD: state.password},
        is_job=True,
    )
    note = home / "sandbox" / "sandbox.json"
    waiter.until("the sandbox", home / "logs" / "sandbox.log", note.exists)
    sandbox = json.loads(note.read_text())
    # This Zendesk plan includes more exports per minute, as accounts with years of tickets buy: the first load never
    # waits.
    limits = {"zendesk.incremental": (30, 60)}
    _of_sandbox(waiter, home, sandbox["url"], "POST", "/_control/limits", json=limits)
    waiter.until("the databases' tables", home / "logs" / "first-start.log", lambda: processes.has_ended("first-start"))
    environment |= sandbox["connections"]
    # This process reads the warehouse too, for the summary.
    os.environ.update({name: value for name, value in environment.items() if name.startswith("PERENNIAL_")})
    overlay.write(home, sandbox)
    overlay.release_mail()
    command.note(home, environment)

    progress.stage("Airflow")
    for name, arguments in COMPONENTS.items():
        # Running tasks get time to finish. The API server would wait two minutes for an open browser tab.
        seconds = 20 if name == "scheduler" else 5
        processes.start(name, [sys.executable, "-m", *arguments], environment, seconds)
    stack = Stack(home, state, processes, environment, sandbox, waiter)
    waiter.check = stack.check
    _wait_for_airflow(stack)
    return stack


def base_environment(home: Path, state: State, warehouse: str, metadata: str) -> dict[str, str]:
    """Return the environment of the demo's processes, isolated from the user's own Airflow or Perennial.

    Args:
        home: The demo's folder.
        state: Its secrets and port.
        warehouse: URL of the warehouse.
        metadata: URL of Airflow's own database.
    """
    own = ("AIRFLOW", "PERENNIAL", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    kept = {name: os.environ[name] for name in ("PERENNIAL_NOW", "PERENNIAL_DAG_PREFIX") if name in os.environ}
    airflow = {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(paths.ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(paths.ROOT / "plugins"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "airflow" / "logs"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(state.port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{state.port}",
        # Whoever starts a run may not approve its actions above the caps: that takes a second person.
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,colleague:user",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{state.port}/execution/",
        "AIRFLOW__API__SECRET_KEY": state.api_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": state.jwt_secret,
        "AIRFLOW__CORE__FERNET_KEY": state.fernet_key,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "airflow" / "passwords.json"),
    }
    perennial = {
        "PERENNIAL_HOME": str(home),
        "PERENNIAL_DATABASE_URL": warehouse,
        "PERENNIAL_CONFIG_DIR": str(home / "overlay"),
        "PERENNIAL_APPROVERS": "colleague",
        "PYTHONPATH": str(paths.ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return inherited | kept | SETTINGS | airflow | perennial


def _render(url, database: str) -> str:  # type: ignore[no-untyped-def]
    return url.set(database=database).render_as_string(hide_password=False)


def _of_sandbox(waiter: Waiter, home: Path, url: str, method: str, path: str, **options: Any) -> Any:
    def ask() -> requests.Response:
        return requests.request(method, f"{url}{path}", timeout=ANSWER_SECONDS, **options)

    return ready(waiter.answer("the sandbox", home / "logs" / "sandbox.log", ask), f"the sandbox: {path}")


def _wait_for_airflow(stack: Stack) -> None:
    while missing := unhealthy(stack.ui, ANSWER_SECONDS):
        name = missing[0]

        def is_up(name: str = name) -> bool:
            return name not in unhealthy(stack.ui, ANSWER_SECONDS)

        stack.waiter.until(f"Airflow's {name}", stack.home / "logs" / f"{name}.log", is_up)
