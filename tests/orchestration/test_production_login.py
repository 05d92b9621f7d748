"""The login of docker-compose.yaml on a real Airflow and PostgreSQL, each component with only its own secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from include.common import home as homes
from include.orchestration.first_start import PASSWORD
from include.warehouse.embedded import server
from tests.fixtures.patience import until

ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
# Run manually: half a minute of CPU.
pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("socket_enabled")]


class Production:
    """The services of docker-compose.yaml without their containers.

    Args:
        folder: Their working folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = server.free_port()
        self.ui = f"http://127.0.0.1:{self.port}"
        self._urls = {name: server.start(folder / "home", (name, "perennial")) for name in ("airflow", "perennial")}
        self._started: list[subprocess.Popen[bytes]] = []

    def environment(self, service: str) -> dict[str, str]:
        """Return a service's environment, with local addresses instead of container names."""
        given = {}
        for name, value in SERVICES[service]["environment"].items():
            if "SQL_ALCHEMY_CONN" in name:
                value = self._urls["airflow"]
            elif name == "PERENNIAL_DATABASE_URL":
                value = self._urls["perennial"]
            elif name.startswith("PERENNIAL_DATABASE_URL"):
                continue
            elif name == "AIRFLOW__CORE__FERNET_KEY":
                value = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
            elif "${" in value:
                value = f"a secret of {name}, long enough for a key" if "URL" not in name else self.ui
            value = value.replace("/opt/perennial/", f"{ROOT}/").replace("http://api-server:8080", self.ui)
            given[name] = value.replace("/opt/perennial-", f"{self.folder}/").replace("/opt/", f"{self.folder}/")
        own = {"AIRFLOW__API__PORT": str(self.port), "AIRFLOW__API__HOST": "127.0.0.1", "PYTHONPATH": str(ROOT)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PERENNIAL"))}
        return kept | given | own

    def run(self, service: str, **changes: str) -> int:
        """Run a job to its end."""
        with (self.folder / f"{service}.log").open("ab") as log:
            command = [sys.executable, "-m", *SERVICES[service]["command"]]
            return subprocess.run(
                command, env=self.environment(service) | changes, stdout=log, stderr=log, cwd=self.folder
            ).returncode

    def start(self, service: str) -> None:
        """Start a service."""
        with (self.folder / f"{service}.log").open("wb") as log:
            command = [sys.executable, "-m", *SERVICES[service]["command"]]
            self._started.append(
                subprocess.Popen(
                    command, env=self.environment(service), stdout=log, stderr=log, cwd=self.folder,
                    start_new_session=True,
                )
            )  # fmt: skip

    def is_up(self, component: str) -> bool:
        """Return whether a component reports healthy."""
        dead = [process.args for process in self._started if process.poll() is not None]
        assert not dead, "\n".join(log.read_text()[-3000:] for log in self.folder.glob("*.log"))
        try:
            health = requests.get(f"{self.ui}/api/v2/monitor/health", timeout=600).json()
        except requests.RequestException:
            return False
        return (health.get(component) or {}).get("status") == "healthy"

    def token(self, password: str) -> requests.Response:
        """Ask for a token."""
        login = {"username": "admin", "password": password}
        return requests.post(f"{self.ui}/auth/token", json=login, timeout=600)

    def stop(self) -> None:
        """Stop everything and remove the database."""
        for process in self._started:
            os.killpg(process.pid, 15)
        for process in self._started:
            process.wait()
        server.destroy(self.folder / "home")
        homes.clear(self.folder / "home")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    made = Production(tmp_path_factory.mktemp("production"))
    try:
        assert made.run("first-start", **{PASSWORD: "an older one"}) == 0, (made.folder / "first-start.log").read_text()
        assert made.run("first-start", **{PASSWORD: "right"}) == 0
        made.start("api-server")
        until(lambda: made.is_up("metadatabase"), 0.5)
        yield made
    finally:
        made.stop()


def test_only_the_right_password_logs_in(production):
    assert production.token("wrong").status_code == 401
    assert production.token("an older one").status_code == 401
    answer = production.token("right")
    assert answer.ok, answer.text
    header = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert requests.get(f"{production.ui}/api/v2/dags", headers=header, timeout=600).status_code == 200
    assert requests.get(f"{production.ui}/api/v2/dags", timeout=600).status_code == 401
    assert requests.get(f"{production.ui}/perennial/", timeout=600).status_code == 401
    plugins = requests.get(f"{production.ui}/api/v2/plugins", headers=header, timeout=600).json()["plugins"]
    assert "perennial" in [plugin["name"] for plugin in plugins]


def test_components_start_without_the_token_secret(production):
    for service, component in (("dag-processor", "dag_processor"), ("triggerer", "triggerer")):
        assert "AIRFLOW__API_AUTH__JWT_SECRET" not in production.environment(service)
        production.start(service)
        until(lambda component=component: production.is_up(component), 0.5)


def test_commands_in_the_scheduler_see_connections_entered_in_the_ui(production):
    header = {"Authorization": f"Bearer {production.token('right').json()['access_token']}"}
    entered = {"connection_id": "crm", "conn_type": "generic", "host": "https://127.0.0.1:1", "password": "p"}
    entered["extra"] = '{"vendor": "hubspot"}'
    answer = requests.post(f"{production.ui}/api/v2/connections", headers=header, json=entered, timeout=600)
    assert answer.status_code == 201, answer.text
    (production.folder / "config").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "include.cli", "connect", "check", "crm", "--json"]
    done = subprocess.run(command, env=production.environment("scheduler"), cwd=production.folder, capture_output=True)
    first = json.loads(done.stdout)[0]
    assert (first["what"], first["state"]) == ("settings", "ok"), done.stdout + done.stderr
