"""What stages stand on: PostgreSQL, the sandbox, foreign tools, each made when first asked for and ended at the end.

All of it is under ``<home>/bench``; foreign tools live in environments of their own, pinned by
``benchmarks/requirements/<tool>.txt``, and are in none of Perennial's.
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

# One world, one moment: the same on every machine and day.
SEED, ANCHOR, NOW = "7", "2026-06-30", "2026-06-30T12:00:00+00:00"
_numbers = itertools.count(1)


def say(text: str) -> None:
    """Tell what goes on."""
    print(f"  {text}", flush=True)


def home() -> Path:
    """Return the folder of everything that the measurements make, in Perennial's own folder and in no other."""
    homes.claim(paths.home())
    return homes.entry("bench")


def emptied(place: Path) -> Path:
    """Remove a folder of the measurements with all that is in it; return it."""
    if home() not in place.parents:
        raise ValueError(f"{place} is not in {home()}")
    server.destroy(place)
    homes.remove(place)
    return place


@cache
def _postgres() -> str:
    """Start a server of its own; return the URL of a migrated database from which others are copied."""
    place = home() / "postgres"
    server.destroy(place)
    atexit.register(server.destroy, place)
    url = server.start(place, ("template",))
    migrate(url)
    from include.warehouse.engine import engine

    engine("owner", url).dispose()
    return url


def postgres_pid() -> int:
    """Return the process id of the server."""
    _postgres()
    return server.pid(home() / "postgres")


def _sibling(database: str) -> str:
    return make_url(_postgres()).set(database=database).render_as_string(hide_password=False)


def plain(url: str) -> str:
    """Return a SQLAlchemy URL as libpq and other tools take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def database(is_warehouse: bool = False, like: str = "") -> str:
    """Return the SQLAlchemy URL of a new database: empty, a migrated warehouse, or a copy of one that nobody uses."""
    _postgres()
    name = f"bench_{next(_numbers)}"
    template = str(make_url(like).database) if like else "template" if is_warehouse else "template0"
    with psycopg.connect(plain(_sibling("postgres")), autocommit=True) as connection:
        named = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(named)
    return _sibling(name)


def drop(url: str) -> None:
    """Remove a database."""
    with psycopg.connect(plain(_sibling("postgres")), autocommit=True) as connection:
        name = sql.Identifier(str(make_url(url).database))
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


def tool(name: str) -> Path:
    """Return the ``bin`` folder of a foreign tool's environment, made on first use from its pinned requirements."""
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
    """A server of our own in a process of its own.

    Args:
        command: What starts it.
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
        """End it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Sandbox(Process):
    """The make-believe vendors, without limits on calls, their clock held at ``NOW``.

    Args:
        name: Of its folder; each has a world of its own to alter.
        customers: How many customers its world has; None for its own default.
        seed: What its world is drawn from.
        product_url: The product's database, filled with its world; "" for none.
        module: What is run: the sandbox, or one with other parameters.
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
        """Where it listens."""
        return self.note["url"]

    def connection(self, name: str) -> dict[str, Any]:
        """Return one connection by its id, for example ``crm``."""
        return json.loads(self.note["connections"][f"AIRFLOW_CONN_{name.upper()}"])

    def control(self, name: str, **body: Any) -> Any:
        """Make a control call (see ``include.sandbox.control``) and return its answer."""
        answer = self._session.post(f"{self.url}/_control/{name}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def ask(self, name: str) -> Any:
        """Ask a control question and return its answer."""
        answer = self._session.get(f"{self.url}/_control/{name}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def drop_faults(self) -> None:
        """Let all calls go well again."""
        self._session.delete(f"{self.url}/_control/faults", timeout=60).raise_for_status()
