"""Conventions that every DAG follows."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from include.common.errors import AuthError, ConfigError, ContractError, QuotaExhausted, Unavailable, WarehouseError
from include.deliver.deliver import PASS_SECONDS
from include.http.limiter import MAX_WAIT_SECONDS
from include.orchestration.build_tasks import error_of
from include.orchestration.defaults import DEFAULT_ARGS, RETRY_POLICY, TAGS
from include.orchestration.notices import notify_owner
from tests.dags.conftest import NAMES, ROOT

SECTIONS = (
    "**What it does.**",
    "**Inputs and outputs.**",
    "**When it fails.**",
    "**Re-running and backfill.**",
    "**Owner.**",
    "**Triage notes.**",
)
# Imported at the top of a DAG file, these would slow down every parse and every task.
HEAVY = {"great_expectations", "pandas", "numpy", "requests"}


def test_one_dag_per_file_with_the_name_of_the_file(dags):
    assert sorted(dags) == NAMES


def test_dag_is_documented(dag):
    for section in SECTIONS:
        assert dag.doc_md.count(section) == 1, section
    assert dag.description
    for task in dag.tasks:
        assert task.doc_md, task.task_id


def test_trigger_form_requires_no_optional_field(dag):
    """Airflow's form cannot be submitted with an empty field of a non-nullable type."""
    asked = {
        name
        for name, param in dag.params.items()
        if param.value in ("", [], None) and "null" not in param.schema["type"]
    }
    assert not asked


def test_dag_has_an_owner_and_known_tags(dag):
    assert {task.owner for task in dag.tasks} == {"customer-success-data"}
    assert dag.tags <= TAGS
    assert sum(tag.startswith("tier:") for tag in dag.tags) == 1


def test_dag_has_one_active_run_and_a_timeout(dag):
    # A pending approval must not block the next one.
    assert dag.max_active_runs == (50 if dag.dag_id == "approve_actions" else 1)
    assert dag.catchup is False
    assert dag.start_date.year >= 2024
    assert dag.dagrun_timeout
    for task in dag.tasks:
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=3), task.task_id
        assert task.execution_timeout < dag.dagrun_timeout, task.task_id


def test_delivery_pass_ends_before_its_task_timeout():
    limit = DEFAULT_ARGS["execution_timeout"].total_seconds()
    assert limit > PASS_SECONDS + MAX_WAIT_SECONDS + 60


def test_every_task_retries_by_error_kind_and_notifies_the_owner(dag):
    for task in dag.tasks:
        if not task.task_id.startswith("show_"):  # it only shows existing results
            assert task.retries == 3, task.task_id
        assert task.retry_policy is RETRY_POLICY, task.task_id
        assert notify_owner in task.on_failure_callback, task.task_id


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (AuthError("x"), "fail"),
        (ConfigError("x"), "fail"),
        (ContractError("x"), "fail"),
        (Unavailable("x"), "retry"),
        (QuotaExhausted("x"), "retry"),
        (WarehouseError("x"), "retry"),
        (OperationalError("select 1", {}, Exception("down")), "retry"),
        (psycopg.OperationalError("server closed the connection"), "retry"),
        (psycopg.errors.AdminShutdown("x"), "retry"),
        (psycopg.InterfaceError("the connection is lost"), "retry"),
        (psycopg.DataError("x"), "fail"),
        (ConnectionResetError("x"), "retry"),
        (RuntimeError("x"), "fail"),
    ],
)
def test_retries_depend_on_the_error_kind(error, action):
    assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=3).action.value == action


@pytest.mark.parametrize(
    ("second", "action"), [(WarehouseError("down", cure="start it"), "retry"), (ConfigError("x"), "fail")]
)
def test_task_of_several_failed_models_is_retried_if_one_of_them_can_be(second, action):
    failed = {"core.a": ContractError("check one"), "core.b": second}
    error = error_of(failed)
    assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=3).action.value == action
    assert all(name in str(error) for name in failed) and ("start it" in str(error)) == (action == "retry")
    assert error_of({"core.b": second}) is second


@pytest.mark.parametrize("name", NAMES)
def test_importing_a_dag_file_has_no_side_effects(name):
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    *statements, last = tree.body
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    for statement in statements:
        is_doc = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        assert is_doc or isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef), ast.unparse(statement)
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("include"):
            assert statement.module.startswith("include.orchestration"), statement.module


@pytest.mark.parametrize("name", NAMES)
def test_dags_import_only_the_airflow_sdk(name):
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module for module in modules if module.startswith("airflow")} == {"airflow.sdk"}


@pytest.mark.parametrize("name", NAMES)
def test_dag_file_is_short(name):
    assert len((ROOT / "dags" / f"{name}.py").read_text().splitlines()) <= 120


def _read_in_a_new_process(**environment: str) -> list[str]:
    script = (
        "import json, sys; import airflow.sdk; before = set(sys.modules)\n"
        "import importlib.util, socket; from pathlib import Path\n"
        "def refuse(*a, **k): raise RuntimeError('a socket was opened')\n"
        "socket.socket.connect = refuse\n"
        "for path in sorted(Path('dags').glob('*.py')):\n"
        "    spec = importlib.util.spec_from_file_location('dag_' + path.stem, path)\n"
        "    module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_parsing_all_dag_files_is_cheap_and_touches_nothing():
    loaded = _read_in_a_new_process(PERENNIAL_DATABASE_URL="postgresql+psycopg://u:p@127.0.0.1:1/none")
    assert not HEAVY & set(loaded)
    assert len([name for name in loaded if "." not in name]) < 60, "each takes its time"


def test_ids_and_assets_have_the_configured_prefix():
    script = (
        "from airflow.dag_processing.dagbag import DagBag; bag = DagBag('dags');"
        "from include.orchestration.assets import KPIS, SOURCES;"
        "print(bag.import_errors, *sorted(bag.dags), KPIS.name, *[a.name for a in SOURCES.values()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PERENNIAL_DAG_PREFIX": "cs_"},
        capture_output=True,
        text=True,
    )
    errors, *names = done.stdout.splitlines()[-1].split(" ")
    assert errors == "{}", done.stdout
    assert names[: len(NAMES)] == [f"cs_{name}" for name in NAMES]
    assert all(name.startswith("cs_") for name in names)
