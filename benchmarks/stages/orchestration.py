"""Measure Airflow's own overhead on a build: the demo's chain under its real scheduler.

For each run of ``build_kpis``, the seconds of its models' SQL are subtracted from the run's duration. The rest is
divided by its number of tasks. Tasks with nothing to do count, because the scheduler starts them too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import services
from benchmarks.measure import ROOT, Failed
from benchmarks.rows import Row
from include.sandbox.demo.airflow_api import AirflowApi
from include.sandbox.demo.processes import stop_leftovers
from include.warehouse.embedded import server

# Customers of the simulated world. The builds' SQL, which grows with them, is subtracted.
SIZES = {"small": 24, "full": 150}
MOST_SECONDS = 0.6
_DAG = "build_kpis"
_READY = "Everything keeps running"


def run(size: str) -> list[Row]:
    """Run the chain, then read the durations of its builds from Airflow and the warehouse."""
    home = services.emptied(services.home() / "demo")
    log = services.home() / "demo-log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "include.sandbox.demo", "--customers", str(SIZES[size])]
    with log.open("wb") as output:
        demo = subprocess.Popen(command, cwd=ROOT, env=_environment(home), stdout=output, stderr=subprocess.STDOUT)
    try:
        while _READY not in log.read_text():
            if demo.poll() is not None:
                raise Failed(f"the demo failed: {log.read_text()[-1500:]}")
            time.sleep(0.5)
        state = json.loads((home / "demo.json").read_text())
        api = AirflowApi(f"http://127.0.0.1:{state['port']}", "admin", state["password"])
        return _rows(api, server.running_url(home))
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(120)
        stop_leftovers(home)
        server.destroy(home)


def _rows(api: AirflowApi, url: str) -> list[Row]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        sql_seconds = connection.execute(sa.text("select sum(seconds) from meta.build_model")).scalar_one()
        n_models = connection.execute(sa.text("select count(*) from meta.build_model")).scalar_one()
    engine.dispose()
    runs = [run for run in api.runs("2020-01-01T00:00:00+00:00") if run["dag_id"] == _DAG]
    tasks = [task for run in runs for task in api.tasks(_DAG, run["dag_run_id"]) if task["state"] == "success"]
    seconds = sum(_seconds(run) for run in runs)
    services.say(f"{len(runs)} runs, {len(tasks)} tasks, {seconds:.1f} s, of which SQL {sql_seconds:.1f} s")
    note = f"{len(runs)} runs took {seconds:.1f} s, SQL of {n_models} models {sql_seconds:.1f} s"
    case = "a build's tasks"
    return [
        Row(case, f"{MOST_SECONDS} s each", len(tasks), (MOST_SECONDS * len(tasks),)),
        Row(
            case, "under Airflow", len(tasks), (round(seconds - sql_seconds, 2),), against=f"{MOST_SECONDS} s each",
            wanted=1.0, figures={"s a task": round((seconds - sql_seconds) / len(tasks), 2)}, note=note,
        ),
    ]  # fmt: skip


def _seconds(run: dict[str, Any]) -> float:
    start, end = (datetime.fromisoformat(run[name].replace("Z", "+00:00")) for name in ("start_date", "end_date"))
    return (end - start).total_seconds()


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PERENNIAL"))}
    return kept | {"PERENNIAL_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
