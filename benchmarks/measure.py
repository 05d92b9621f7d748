"""Run a contestant in its own process and monitor its memory.

A contestant prints its result as one line of JSON at the end of its output: ``{"rows": 60000, "seconds": 1.9}``. It
times itself, so that starting Python and importing libraries counts for nobody. A contestant that does not time itself
(a foreign command) is timed from outside.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
_EVERY = 0.02
_LONGEST = 900.0


class Failed(Exception):
    """A contestant failed; the message contains the end of its output."""


class TookTooLong(Failed):
    """A contestant was killed at its time limit."""


@dataclass(frozen=True)
class Run:
    """One run of one contestant.

    Args:
        seconds: Its duration, by its own clock if it reports one.
        rows: Rows handled; 0 if not reported.
        peak_mb: Peak memory of it and its children: resident, with shared pages counted in each process.
        result: The whole result line.
        server_mb: Peak memory of the server that it used, above the server's memory at rest. Shared pages are counted
            once. 0 if not monitored.
    """

    seconds: float
    rows: int
    peak_mb: float
    result: dict[str, Any] = field(default_factory=dict)
    server_mb: float = 0.0


def run(
    command: list[str], *, environment: Mapping[str, str] | None = None, timeout: float = _LONGEST, server: int = 0
) -> Run:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        environment: Added to this process's own.
        timeout: Seconds until it is killed.
        server: Process id of a server to monitor as well, with its children.

    Raises:
        TookTooLong: The timeout passed.
        Failed: The exit status was not 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        at_rest = _shares(psutil.Process(server)) if server else 0
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=out,
            stderr=err,
        )
        peak, server_peak = _watch(process, started + timeout, server)
        seconds = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        output, complaint = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if process.returncode:
        end = "\n".join(line[:300] for line in (complaint or output).strip().splitlines()[-12:])
        raise Failed(f"{' '.join(command)[:200]} exited with status {process.returncode}:\n{end}")
    result = _last_json(output)
    server_mb = max(server_peak - at_rest, 0) / 1e6
    return Run(float(result.get("seconds", seconds)), int(result.get("rows", 0)), peak / 1e6, result, server_mb)


def _watch(process: subprocess.Popen[bytes], deadline: float, server: int) -> tuple[int, int]:
    """Return the peak memory until the process ends, and the server's. Kill the process at the deadline."""
    watched = psutil.Process(process.pid)
    peak = server_peak = 0
    look_again = 0.0
    while process.poll() is None:
        peak = max(peak, _resident(watched))
        now = time.monotonic()
        if server and now >= look_again:
            # Adding up the pages of each process is slow in the kernel.
            server_peak, look_again = max(server_peak, _shares(psutil.Process(server))), now + 0.5
        if now > deadline:
            for each in [*_children(watched), watched]:
                each.kill()
            process.wait()
            raise TookTooLong(f"{process.args!r:.200} timed out and was killed")
        time.sleep(_EVERY)
    return peak, server_peak


def _shares(process: psutil.Process) -> int:
    total = 0
    for each in [process, *_children(process)]:
        try:
            total += each.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    total = 0
    for each in [process, *_children(process)]:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _last_json(output: str) -> dict[str, Any]:
    for line in reversed(output.strip().splitlines()):
        if line.startswith("{"):
            result = json.loads(line)
            return result if isinstance(result, dict) else {}
    return {}


def in_turns(contestants: Mapping[str, Callable[[], Run]], repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run every contestant once, then all again, so that a busy moment of the machine hits all of them.

    Args:
        contestants: Name -> function that runs it once.
        repeats: Number of rounds.
        say: Receives progress messages.

    Returns:
        Name -> its runs, or its ``Failed``.
    """
    done: dict[str, Any] = {name: [] for name in contestants}
    for number in range(repeats):
        for name, contestant in contestants.items():
            if isinstance(done[name], Failed):
                continue
            try:
                done[name].append(contestant())
            except Failed as failure:
                done[name] = failure
                say(f"{name}: {failure}")
                continue
            last = done[name][-1]
            say(f"{name} {number + 1}/{repeats}: {last.rows:,} rows in {last.seconds:.2f} s, {last.peak_mb:.0f} MB")
    return done


def seconds_of(runs: Iterable[Run]) -> tuple[float, ...]:
    """Return the seconds of each run, rounded to milliseconds."""
    return tuple(round(run.seconds, 3) for run in runs)


def load() -> dict[str, Any]:
    """Return the load of the machine: a measurement next to other work means little."""
    one, five, _ = os.getloadavg()
    return {"load_1": round(one, 2), "load_5": round(five, 2), "cpu_percent": psutil.cpu_percent(0.5)}
