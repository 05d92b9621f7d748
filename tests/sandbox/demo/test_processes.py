"""No process of the demo outlives the launcher, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from include.sandbox.demo.processes import DemoError, Processes, leftovers, stop_leftovers
from tests.fixtures.patience import until

SLEEP = [sys.executable, "-c", "import time; time.sleep(3600)"]
# A group leader with a child that ignores SIGTERM.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)']); time.sleep(3600)",
]
ENVIRONMENT = dict(os.environ)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "a home"


@pytest.fixture
def processes(home: Path):
    home.mkdir()
    started = Processes(home)
    yield started
    started.stop()


def test_stop_ends_all_processes_and_children(home, processes):
    processes.start("sleeper", SLEEP, ENVIRONMENT)
    processes.start("stubborn", STUBBORN, ENVIRONMENT, stop_seconds=0.2)
    until(lambda: len(leftovers(home)) == 3)
    processes.stop()
    assert leftovers(home) == []


def test_new_start_finds_processes_of_a_killed_launcher(home):
    home.mkdir()
    launcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time; from pathlib import Path;"
            "from include.sandbox.demo.processes import Processes;"
            "Processes(Path(sys.argv[1])).start('child', [sys.executable, '-c', 'import time; time.sleep(3600)'],"
            " dict(os.environ)); time.sleep(3600)",
            str(home),
        ],
        env=ENVIRONMENT | {"PYTHONPATH": str(Path.cwd())},
    )
    until(lambda: len(leftovers(home)) == 1)
    launcher.kill()
    launcher.wait()
    assert len(leftovers(home)) == 1
    assert stop_leftovers(home) == 1
    assert leftovers(home) == []


def test_processes_of_another_folder_are_left_alone(home, processes, tmp_path):
    processes.start("sleeper", SLEEP, ENVIRONMENT)
    until(lambda: len(leftovers(home)) == 1)
    assert stop_leftovers(tmp_path / "another") == 0
    assert psutil.pid_exists(leftovers(home)[0].pid)


def test_early_exit_is_one_message_with_the_last_output(processes):
    processes.start("broken", [sys.executable, "-c", "raise SystemExit('no such table')"], ENVIRONMENT)
    with pytest.raises(DemoError, match=r"broken exited unexpectedly \(status 1\): no such table"):
        until(processes.check)


def test_job_can_exit_zero_but_not_fail(processes):
    processes.start("good", [sys.executable, "-c", ""], ENVIRONMENT, is_job=True)
    until(lambda: processes.has_ended("good"))
    processes.check()
    processes.start("bad", [sys.executable, "-c", "raise SystemExit(3)"], ENVIRONMENT, is_job=True)
    with pytest.raises(DemoError, match="bad exited unexpectedly"):
        until(lambda: processes.has_ended("bad"))
