"""The fixture ``sandbox``: the make-believe vendors in a process of their own, as new for every test.

One small world serves the whole session. Its clock is held at ``NOW``, which Perennial is told too, and rate limits
are lifted; a test turns on what it wants through ``sandbox.control``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql
from sqlalchemy.engine import make_url

ANCHOR, NOW = "2026-06-30", "2026-06-30T12:00:00+00:00"
SEED, CUSTOMERS = 11, 24


class SandboxProcess:
    """A running sandbox.

    Args:
        home: Its folder; a sandbox started again there goes on where the last one stopped.
        product_url: URL of its product database, as its owner.
        arguments: Further arguments of ``serve``.
        now: The time at which its clock stands still from the start; None for the machine's clock.
    """

    def __init__(self, home: Path, product_url: str = "", *arguments: str, now: str | None = None) -> None:
        self.home = home
        self._product_url, self.is_product_touched = product_url, False
        self._arguments, self._now = arguments, now
        self._session = requests.Session()
        self._session.trust_env = False
        self._process: subprocess.Popen[bytes] | None = None
        self.note: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Where it listens: HubSpot below ``/hubspot``, Zendesk below ``/zendesk``, Slack below ``/slack/api``."""
        return self.note["url"]

    @property
    def connections(self) -> dict[str, str]:
        """The environment variables ``AIRFLOW_CONN_...`` that lead to it."""
        return self.note["connections"]

    @property
    def product_url(self) -> str:
        """The product database's URL as its owner; who asks for it may write there, so it is made anew afterwards."""
        self.is_product_touched = True
        return self._product_url

    def connection(self, name: str) -> dict[str, Any]:
        """Return one connection by its id, for example ``crm``."""
        return json.loads(self.connections[f"AIRFLOW_CONN_{name.upper()}"])

    def start(self) -> None:
        """Start it and wait until it is ready."""
        ready = self.home / "sandbox.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "include.sandbox", "serve", "--home", str(self.home)]
        environment = {name: value for name, value in os.environ.items() if name != "PERENNIAL_NOW"}
        environment["PERENNIAL_SANDBOX_PRODUCT_URL"] = self._product_url
        if self._now:
            environment["PERENNIAL_NOW"] = self._now
        log = (self.home / "log").open("a")
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            cwd=Path(__file__).resolve().parent.parent,
            env=environment,
            stdout=log,
            stderr=log,
        )
        while not ready.exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"the sandbox did not start: {(self.home / 'log').read_text()}")
            time.sleep(0.02)
        log.close()
        self.note = json.loads(ready.read_text())

    def stop(self) -> int:
        """End it as its user would; return its exit status."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=600)
        return self._process.returncode

    def kill(self) -> None:
        """End it by force."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def control(self, name: str, **body: Any) -> Any:
        """Make a control call (see ``include.sandbox.control``) and return its answer."""
        if body or name in ("reset", "faults"):
            answer = self._session.post(f"{self.url}/_control/{name}", json=body, timeout=600)
        else:
            answer = self._session.get(f"{self.url}/_control/{name}", timeout=600)
        if answer.status_code >= 500:
            raise RuntimeError(f"{name}: {(self.home / 'log').read_text()[-3000:]}")
        if not answer.ok:
            raise RuntimeError(f"{name}: {answer.status_code} {answer.text}")
        return answer.json()

    def lift_faults(self) -> None:
        """Take all faults out of force."""
        self._session.delete(f"{self.url}/_control/faults", timeout=600).raise_for_status()

    def truth(self) -> dict[str, Any]:
        """Return what a loader that lost and doubled nothing holds."""
        return self.control("truth?ids=1")

    def mutate(self, kind: str, number: int | None = None, **body: Any) -> list[int]:
        """Alter records (see ``include.sandbox.mutate``) and return their ids."""
        return self.control("mutate", kind=kind, id=number, **body)["ids"]

    def now(self, at: str | None) -> None:
        """Hold the world's clock at a time."""
        self.control("clock", at=at)

    def inbox(self) -> dict[str, Any]:
        """Return the mails and messages that arrived."""
        return self._session.get(f"{self.url}/inbox.json", timeout=600).json()


@pytest.fixture(scope="session")
def sandbox_process(postgres: str) -> Iterator[SandboxProcess]:
    """The session's sandbox, whatever state the last test left it in."""
    home = Path(tempfile.mkdtemp(prefix="perennial sandbox "))
    name = f"product_{os.getpid()}"
    plain = make_url(postgres).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = make_url(postgres).set(database=name).render_as_string(hide_password=False)
    arguments = ("--seed", str(SEED), "--anchor", ANCHOR, "--customers", str(CUSTOMERS))
    process = SandboxProcess(home, url, *arguments, now=NOW)
    process.start()
    yield process
    process.kill()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """The make-believe vendors as new, their clock held at NOW; the environment leads Perennial to them."""
    sandbox_process.control("reset", at=NOW, product=sandbox_process.is_product_touched)
    sandbox_process.is_product_touched = False
    sandbox_process.control("limits", lift=True)
    monkeypatch.setenv("PERENNIAL_NOW", NOW)
    for name, value in sandbox_process.connections.items():
        monkeypatch.setenv(name, value)
    return sandbox_process
