"""Everything that the demo runs, started in the order in which one part needs the other."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from sqlalchemy.engine import make_url

from include import paths
from include.orchestration.airflow_settings import COMPONENTS, SETTINGS
from include.orchestration.first_start import PASSWORD
from include.orchestration.health import unhealthy
from include.sandbox.demo import overlay
from include.sandbox.demo.processes import DemoError, Processes
from include.sandbox.demo.state import State
from include.warehouse import server

DATABASES = ("perennial", "airflow", "product")
# Measured: 11 s with two cores to itself.
START_SECONDS = 120
SANDBOX_SECONDS = 120


@dataclass
class Stack:
    """A running demo: where its parts can be reached.

    Args:
        home: The demo's folder.
        state: Its secrets.
        processes: Its processes.
        environment: What every process of it gets.
        sandbox: The sandbox's own note of its addresses.
    """

    home: Path
    state: State
    processes: Processes
    environment: dict[str, str]
    sandbox: dict

    @property
    def ui(self) -> str:
        """The address of Airflow's UI."""
        return f"http://127.0.0.1:{self.state.port}"


def start(
    home: Path, state: State, processes: Processes, stage: Callable[[str], None], customers: int | None = None
) -> Stack:
    """Start the database, the sandbox and Airflow.

    Args:
        home: The demo's folder.
        state: Its secrets and port.
        processes: Where the started processes are noted.
        stage: Told the name of each stage as it begins.
        customers: How many customers a new sandbox has; its own default if None.

    Returns:
        The running demo.

    Raises:
        DemoError: A part did not start.
        WarehouseError: PostgreSQL did not.
    """
    stage("PostgreSQL")
    warehouse = server.start(home, DATABASES)
    url = make_url(warehouse)
    environment = base_environment(home, state, warehouse, _render(url, "airflow"))

    stage("sandbox vendors and databases")
    (home / "sandbox" / "sandbox.json").unlink(missing_ok=True)  # an earlier start's addresses
    size = ["--customers", str(customers)] if customers else []
    processes.start(
        "sandbox",
        [sys.executable, "-m", "include.sandbox", "serve", "--home", str(home / "sandbox"), *size],
        environment | {"PERENNIAL_SANDBOX_PRODUCT_URL": _render(url, "product")},
    )
    processes.start(
        "first-start",
        [sys.executable, "-m", "include.orchestration.first_start"],
        environment | {PASSWORD: state.password},
        is_job=True,
    )
    sandbox = _wait_for_sandbox(home, processes)
    # The desk has bought more exports a minute, as desks with years of tickets do: the first load takes no pause.
    limits = {"zendesk.incremental": (30, 60)}
    requests.post(f"{sandbox['url']}/_control/limits", json=limits, timeout=60).raise_for_status()
    processes.finish("first-start", START_SECONDS)
    environment |= sandbox["connections"]
    # This process reads the warehouse too, for the summary.
    os.environ.update({name: value for name, value in environment.items() if name.startswith("PERENNIAL_")})
    overlay.write(home, sandbox)
    overlay.release_mail()

    stage("Airflow")
    for name, arguments in COMPONENTS.items():
        # Running tasks get the time to end; the API server would wait two minutes for an open browser tab.
        patience = 20 if name == "scheduler" else 5
        processes.start(name, [sys.executable, "-m", *arguments], environment, patience)
    stack = Stack(home, state, processes, environment, sandbox)
    _wait_for_airflow(stack)
    return stack


def base_environment(home: Path, state: State, warehouse: str, metadata: str) -> dict[str, str]:
    """Return the environment of the demo's processes: nothing of the user's own Airflow or Perennial leaks in.

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
        # Who starts a run may not approve what it wants to do above its caps: that takes a second person.
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
        "PYTHONPATH": str(paths.ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return inherited | kept | SETTINGS | airflow | perennial


def _render(url, database: str) -> str:  # type: ignore[no-untyped-def]
    return url.set(database=database).render_as_string(hide_password=False)


def _wait_for_sandbox(home: Path, processes: Processes) -> dict:
    note = home / "sandbox" / "sandbox.json"
    deadline = time.monotonic() + SANDBOX_SECONDS
    while not note.exists():
        processes.check()
        if time.monotonic() > deadline:
            raise DemoError(f"the sandbox was not ready after {SANDBOX_SECONDS} s", cure=f"see {home / 'logs'}")
        time.sleep(0.1)
    return json.loads(note.read_text())


def _wait_for_airflow(stack: Stack) -> None:
    deadline = time.monotonic() + START_SECONDS
    while missing := unhealthy(stack.ui):
        stack.processes.check()
        if time.monotonic() > deadline:
            raise DemoError(
                f"Airflow was not up after {START_SECONDS} s: no {', '.join(missing)}",
                cure=f"see the logs in {stack.home / 'logs'}",
            )
        time.sleep(0.2)
