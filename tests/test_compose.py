"""docker-compose.yaml, without an engine to try it on: valid, closed, and equal in settings to what the demo runs."""

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
# The specification allows any key that begins with x-; YAML has merged them into the services already.
WITHOUT_EXTENSIONS = {key: value for key, value in COMPOSE.items() if not key.startswith("x-")}
DATABASES = ("warehouse", "airflow-database")


def test_it_follows_the_compose_specification():
    specification = ComposeSpecification(**WITHOUT_EXTENSIONS)
    assert set(specification.services) == {*COMPONENTS, *DATABASES, "first-start"}


def test_the_specification_refuses_what_it_does_not_know():
    broken = {**WITHOUT_EXTENSIONS, "services": {**SERVICES, "scheduler": {**SERVICES["scheduler"], "helthcheck": {}}}}
    with pytest.raises(ValueError, match="helthcheck"):
        ComposeSpecification(**broken)


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="no docker-compose on this machine")
def test_docker_compose_reads_it(socket_enabled):
    names = re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yaml").read_text())
    environment = {**os.environ, **dict.fromkeys(names, "x")}
    command = ["docker-compose", "--env-file", os.devnull, "-f", str(ROOT / "docker-compose.yaml"), "config", "-q"]
    assert subprocess.run(command, env=environment).returncode == 0


def _demo_environment() -> dict[str, str]:
    state = State(password="p", jwt_secret="j", api_secret="a", fernet_key="f", port=1)
    return base_environment(Path("/home"), state, "warehouse", "metadata")


@pytest.mark.parametrize("name", [*COMPONENTS, "first-start"])
def test_settings_equal_the_demos(name):
    environment = SERVICES[name]["environment"]
    assert {key: value for key, value in environment.items() if key in SETTINGS} == SETTINGS
    own = {key for key in _demo_environment() if key.startswith(("AIRFLOW", "PERENNIAL"))}
    # A setting that one of the two has and the other lacks, whatever its value.
    assert {key for key in environment if key != "PERENNIAL_UI_PASSWORD"} == own


@pytest.mark.parametrize("name", COMPONENTS)
def test_components_run_the_demos_commands(name):
    assert SERVICES[name]["command"] == list(COMPONENTS[name])


def test_every_secret_must_be_given_and_is_named_in_the_example():
    text = (ROOT / "docker-compose.yaml").read_text()
    example = set(re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == example
    for variable in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(?!\w)(.)", text):
        assert variable[1] == ":" and f"${{{variable[0]}:?" in text
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|SECRET|FERNET|_CONN", key):
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


def test_only_the_ui_is_published_and_databases_are_inside():
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["api-server"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["inside"] for name in DATABASES)


@pytest.mark.parametrize("name", [*COMPONENTS, *DATABASES])
def test_every_lasting_service_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_components_wait_for_the_first_start():
    for name in COMPONENTS:
        assert SERVICES[name]["depends_on"]["first-start"]["condition"] == "service_completed_successfully"


def test_images_are_pinned():
    images = {service["image"] for service in SERVICES.values()}
    base = re.search(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base
    for image in images | {base[1]}:
        assert re.search(r":\d+\.\d+", image), image


def _in_image(path: str) -> bool:
    """Say whether .dockerignore lets a file through: the last pattern that fits it or a folder above it decides."""
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


def test_the_image_has_what_runs_and_no_sandbox_and_no_tests():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    copied = [
        name
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
        for name in line.split()[1:-1]
    ]
    files = [path for path in tracked if path and path.split("/")[0] in copied and _in_image(path)]
    assert "include/cli.py" in files
    assert "dags/decide.py" in files
    assert "plugins/templates/perennial.html" in files
    assert "requirements.txt" in files
    assert not [path for path in files if "sandbox" in path or path.startswith("tests")]
    assert not _in_image(".env")
    assert not _in_image(".perennial/demo.json")
    assert not _in_image("include/warehouse/__pycache__/engine.pyc")
    user = (ROOT / "Dockerfile").read_text().rindex("\nUSER 50000")
    assert user > (ROOT / "Dockerfile").read_text().rindex("\nCOPY")
