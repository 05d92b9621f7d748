"""Every missing prerequisite is one clear message before anything starts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from rich.console import Console

from include.sandbox.demo import __main__ as demo
from include.sandbox.demo import preflight, state
from include.sandbox.demo.processes import DemoError


def test_new_folder_is_private_and_existing_one_keeps_its_mode(tmp_path):
    """PERENNIAL_HOME=/srv, which is empty on most machines, must not close /srv."""
    preflight.make_home(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "home").mkdir(mode=0o755)
    preflight.make_home(tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o755


def test_everything_created_by_the_demo_is_private(tmp_path, monkeypatch):
    before = os.umask(0o022)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["demo"])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def made(home):
        (tmp_path / "logs").mkdir()
        raise DemoError("enough")

    monkeypatch.setattr(preflight, "make_home", made)
    try:
        assert demo.main() == 1
    finally:
        os.umask(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700


def test_benchmark_blocks_a_second_one_and_make_clean_but_not_the_demo(tmp_path):
    preflight.make_home(tmp_path)
    with preflight.only_one(tmp_path), preflight.only_one(tmp_path, "bench"), pytest.raises(DemoError) as caught:
        preflight.only_one(tmp_path, "bench").__enter__()
    assert "a bench already runs" in caught.value.message
    with preflight.only_one(tmp_path, "bench"), pytest.raises(DemoError, match="a bench already runs"):
        demo._clean(tmp_path, Console())


def test_unwritable_folder_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoError, match=r"cannot write to .*: Not a directory") as caught:
        preflight.make_home(tmp_path / "file" / "home")
    assert "PERENNIAL_HOME" in caught.value.cure


def test_full_disk_is_one_message(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 5_000_000))
    with pytest.raises(DemoError, match="has 5 MB left"):
        preflight.make_home(tmp_path / "home")


def test_port_in_use_is_one_message(socket_enabled):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with pytest.raises(DemoError, match=f"port {taken} is in use"):
            preflight.choose_port(taken, 0)
        assert preflight.choose_port(None, taken) != taken


def test_free_port_is_kept(socket_enabled):
    port = preflight.free_port()
    assert preflight.choose_port(None, port) == port
    assert preflight.choose_port(port, 1) == port


def test_one_launcher_per_folder_until_it_is_killed(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from include.sandbox.demo.preflight import only_one\n"
            "with only_one(Path(sys.argv[1])):\n print('held', flush=True); time.sleep(3600)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DemoError, match=f"process {holder.pid}"), preflight.only_one(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with preflight.only_one(tmp_path):
        pass


def test_secrets_are_kept_and_private(tmp_path):
    first = state.load(tmp_path)
    assert state.load(tmp_path) == first
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600
    assert len({first.password, first.jwt_secret, first.api_secret, first.fernet_key}) == 4


def test_broken_secrets_are_one_message(tmp_path):
    (tmp_path / "demo.json").write_text("{")
    with pytest.raises(DemoError, match="cannot keep the demo's secrets"):
        state.load(tmp_path)
