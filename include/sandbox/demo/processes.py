"""Start and stop the demo's processes so that none is left behind, even if the launcher is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from include.common.errors import PerennialError

# Every process of the demo inherits this variable. After a SIGKILL of the launcher, the next start finds leftovers by
# it.
MARK = "PERENNIAL_DEMO"


class DemoError(PerennialError):
    """The demo cannot continue. The message names the failed part and its log."""


@dataclass
class Process:
    """A started process, leader of its own session."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    stop_seconds: float  # seconds it gets to exit by itself
    is_job: bool  # exits by itself when its work is done


class Processes:
    """The processes of one demo.

    Args:
        home: The demo's folder. Logs are written to ``logs/<name>.log`` below it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._started: list[Process] = []

    def start(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str],
        stop_seconds: float = 5,
        is_job: bool = False,
    ) -> None:
        """Start a process in its own session, so that Ctrl-C in the terminal does not reach it.

        Args:
            name: Its name in messages and in its log's file name.
            arguments: The command line; never a secret.
            environment: Its whole environment.
            stop_seconds: Seconds that it gets to exit by itself when stopped.
            is_job: Whether it is expected to exit when its work is done; ``has_ended`` tells when.
        """
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            popen = subprocess.Popen(
                arguments,
                cwd=self.home,
                # Without SPT_NOENV, setproctitle would overwrite the memory in which the mark can be read.
                env={**environment, MARK: str(self.home), "SPT_NOENV": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(Process(name, popen, log, stop_seconds, is_job))

    def has_ended(self, name: str) -> bool:
        """Return whether a job has finished. A finished job is no longer monitored.

        Raises:
            DemoError: It failed, or another process has ended.
        """
        process = next(process for process in self._started if process.name == name)
        self.check()
        if process.popen.poll() is None:
            return False
        self._started.remove(process)
        return True

    def check(self) -> None:
        """Make sure that all processes are alive.

        Raises:
            DemoError: A process has ended; the message contains the end of its log.
        """
        for process in self._started:
            status = process.popen.poll()
            if status is not None and not (process.is_job and status == 0):
                raise DemoError(
                    f"{process.name} exited unexpectedly (status {status}): {last_words(process.log)}",
                    cure=f"see {process.log}; run `make demo` again to resume",
                )

    def stop(self) -> None:
        """Stop all processes, last started first, including any that they left running."""
        while self._started:
            process = self._started.pop()
            process.popen.terminate()
            try:
                process.popen.wait(process.stop_seconds)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _kill_group(process.popen.pid)
                process.popen.wait()
        stop_leftovers(self.home)


def last_words(log: Path, lines: int = 3) -> str:
    """Return the last meaningful lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            kept = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip(" =-│╰╯")]
    except OSError:
        return "its log cannot be read"
    return " / ".join(kept[-lines:]) or "its log is empty"


def leftovers(home: Path) -> list[psutil.Process]:
    """Return living processes of an earlier start of this demo, found by their mark."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.environ().get(MARK) == str(home):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # has ended meanwhile, or belongs to another user
    return found


def stop_leftovers(home: Path, stop_seconds: float = 5) -> int:
    """Stop processes left by an earlier start of this demo.

    Args:
        home: The demo's folder.
        stop_seconds: Seconds between SIGTERM and SIGKILL.

    Returns:
        How many were running.
    """
    found = leftovers(home)
    for process in found:
        _quietly(process.terminate)
    _, alive = psutil.wait_procs(found, timeout=stop_seconds)
    deadline = time.monotonic() + 10
    while alive and time.monotonic() < deadline:
        for process in alive:
            _quietly(process.kill)
        psutil.wait_procs(alive, timeout=1)
        alive = leftovers(home)  # including processes started in the meantime
    return len(found)


def _quietly(action) -> None:  # type: ignore[no-untyped-def]
    try:
        action()
    except psutil.Error:
        return  # it has exited by itself


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # the whole group has exited
