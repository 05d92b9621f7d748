"""The services of stages: PostgreSQL, the sandbox and foreign tools, created on first use and stopped at the end.

Everything is below ``<home>/bench``. Foreign tools have their own environments, pinned by
``benchmarks/requirements/<tool>.txt``, separate from Perennial's.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg import sql
from sqlalchemy.engine import make_url

from benchmarks.measure import ROOT
from include.common import home as homes
from include.common import paths
from include.warehouse.embedded import server
from include.warehouse.migrate import migrate

# One world at one moment: the same on every machine and day.
SEED, ANCHOR, NOW = "7", "2026-06-30", "2026-06-30T12:00:00+00:00"
_numbers = itertools.count(1)


def say(text: str) -> None:
    """Print a progress message."""
    print(f"  {text}", flush=True)


def home() -> Path:
    """Return the folder for everything that benchmarks create, inside Perennial's own folder."""
    homes.claim(paths.home())
    return homes.entry("bench")


def emptied(place: Path) -> Path:
    """Delete a benchmark folder with its content. Return its path."""
    if home() not in place.parents:
        raise ValueError(f"{place} is not in {home()}")
    server.destroy(place)
    homes.remove(place)
    return place


@cache
def _postgres() -> str:
    """Start a separate server. Return the URL of a migrated database that serves as template."""
    place = home() / "postgres"
    server.destroy(place)
    atexit.register(server.destroy, place)
    url = server.start(place, ("template",))
    migrate(url)
    from include.warehouse.engine import engine

    engine("owner", url).dispose()
    return url


def postgres_pid() -> int:
    _postgres()
    return server.pid(home() / "postgres")


def _sibling(database: str) -> str:
    return make_url(_postgres()).set(database=database).render_as_string(hide_password=False)


def plain(url: str) -> str:
    """Return a SQLAlchemy URL in the form that libpq and other tools accept."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def database(is_warehouse: bool = False, like: str = "") -> str:
    """Return the SQLAlchemy URL of a new database: empty, a migrated warehouse, or a copy of an unused one."""
    _postgres()
    name = f"bench_{next(_numbers)}"
    template = str(make_url(like).database) if like else "template" if is_warehouse else "template0"
    with psycopg.connect(plain(_sibling("postgres")), autocommit=True) as connection:
        named = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(named)
    return _sibling(name)


def drop(url: str) -> None:
    with psycopg.connect(plain(_sibling("postgres")), autocommit=True) as connection:
        name = sql.Identifier(str(make_url(url).database))
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


def tool(name: str) -> Path:
    """Return the ``bin`` folder of a foreign tool's environment, created on first use from its pinned requirements."""
    pinned = ROOT / "benchmarks" / "requirements" / f"{name}.txt"
    place = home() / "tools" / name
    stamp = place / "pinned"
    wanted = hashlib.sha256(pinned.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"setting up {name}")
        emptied(place)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--no-deps", "-r", str(pinned)]
        subprocess.run(pip, check=True, capture_output=True)
        stamp.write_text(wanted)
    return place / "bin"


class Process:
    """One of our servers in its own process.

    Args:
        command: Starts it.
        ready: The file that it writes when it is ready.
        environment: Added to this process's own.
    """

    def __init__(self, command: list[str], ready: Path, environment: dict[str, str] | None = None) -> None:
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        log = ready.with_suffix(".log")
        with log.open("w") as file:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
                stdout=file, stderr=file,
            )  # fmt: skip
        atexit.register(self.stop)
        while not ready.exists():
            if self._process.poll() is not None:
                self.stop()
                raise RuntimeError(f"{command[2]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        self.note: dict[str, Any] = json.loads(ready.read_text())

    def stop(self) -> None:
        """Stop the process: SIGTERM first, then SIGKILL."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Sandbox(Process):
    """The simulated vendors, without rate limits, their clock fixed at ``NOW``.

    Args:
        name: The name of its folder. Each sandbox has its own world to modify.
        customers: Number of customers in its world; None for the default.
        seed: The world's random seed.
        product_url: The product's database, filled from its world; "" for none.
        module: The module to run: the sandbox, or one with other parameters.
    """

    def __init__(
        self,
        name: str,
        customers: int | None = None,
        seed: str = SEED,
        product_url: str = "",
        module: str = "include.sandbox",
    ) -> None:
        place = emptied(home() / name)
        command = [sys.executable, "-m", module, "serve", "--home", str(place), "--seed", seed]
        command += ["--anchor", ANCHOR, *(["--customers", str(customers)] if customers else [])]
        super().__init__(
            command, place / "sandbox.json", {"PERENNIAL_NOW": NOW, "PERENNIAL_SANDBOX_PRODUCT_URL": product_url}
        )
        self._session = requests.Session()
        self._session.trust_env = False
        self.control("limits", lift=True)

    @property
    def url(self) -> str:
        return self.note["url"]

    def connection(self, name: str) -> dict[str, Any]:
        """Return one connection by its id, for example ``crm``."""
        return json.loads(self.note["connections"][f"AIRFLOW_CONN_{name.upper()}"])

    def control(self, name: str, **body: Any) -> Any:
        """Make a control call (see ``include.sandbox.control``) and return its response."""
        answer = self._session.post(f"{self.url}/_control/{name}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def ask(self, name: str) -> Any:
        """Send a control query and return its response."""
        answer = self._session.get(f"{self.url}/_control/{name}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def drop_faults(self) -> None:
        """Remove all injected faults."""
        self._session.delete(f"{self.url}/_control/faults", timeout=60).raise_for_status()
