"""``python -m include.sandbox.demo``: start everything, run the chain, show the result, stop everything."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from include.common import home as homes
from include.common import paths
from include.common.errors import PerennialError
from include.sandbox.demo import preflight, stack, state, summary
from include.sandbox.demo.chain import Chain, FailedRun
from include.sandbox.demo.processes import Processes, stop_leftovers
from include.sandbox.demo.progress import Progress
from include.warehouse.embedded import server


def main() -> int:
    """Run the command line and return its exit status."""
    arguments = _arguments()
    console = Console()
    home = paths.home()
    os.umask(0o077)  # everything that the demo and its processes create is private to the user
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        if arguments.clean:
            return _clean(home, console)
        preflight.make_home(home)
        with preflight.only_one(home):
            return _demo(home, arguments, console)
    except PerennialError as error:
        Console(stderr=True).print(f"[red]perennial:[/] {error.message}", highlight=False, soft_wrap=True)
        if error.cure:
            Console(stderr=True).print(f"           {error.cure}", highlight=False, soft_wrap=True)
        return error.exit_status
    except KeyboardInterrupt:
        console.print("Interrupted; the next start resumes from here.")
        return 130


def _demo(home: Path, arguments: argparse.Namespace, console: Console) -> int:
    if n_left := stop_leftovers(home):
        console.print(f"Stopped {n_left} processes left running by an earlier start.")
    kept = state.load(home)
    kept.port = preflight.choose_port(arguments.port, kept.port)
    state.save(home, kept)
    progress = Progress(console)
    processes = Processes(home)
    try:
        running = stack.start(home, kept, processes, progress, arguments.customers)
        is_good = _run_chain(running, progress)
        if not arguments.once:
            _keep_running(running, console)
        return 0 if is_good else 1
    finally:
        progress.close()
        _stop(home, processes, console)


def _run_chain(running: stack.Stack, progress: Progress) -> bool:
    """Run the chain and show the result. Failed runs are listed and do not stop the demo.

    Returns:
        Whether everything succeeded.

    Raises:
        DemoError: A process has ended.
    """
    chain = Chain(running, progress)
    failed: list[FailedRun] = []
    wrong: list[str] = []
    try:
        progress.stage("reading the DAGs")
        chain.wait_until_listed()
        progress.stage("resuming an earlier start" if chain.is_resumed else "first load: the whole history")
        runs = chain.first_round()
        progress.stage("today: the latest changes")
        chain.change_some_records()
        runs = list({(run["dag_id"], run["dag_run_id"]): run for run in runs + chain.next_round()}.values())
        progress.close()
        failed = chain.failed_runs(runs)
        wrong = summary.show(running, runs, progress)
    except (PerennialError, SQLAlchemyError) as error:
        running.check()  # a process that has ended is the cause
        wrong.append(error.message if isinstance(error, PerennialError) else str(error).splitlines()[0])
    progress.close()
    summary.addresses(running, progress.console)
    return summary.problems(progress.console, failed, wrong)


def _keep_running(running: stack.Stack, console: Console) -> None:
    console.print("Everything keeps running on schedule. [bold]Ctrl-C stops it.[/]")
    try:
        while True:
            running.check()
            time.sleep(1)
    except KeyboardInterrupt:
        return  # a requested stop, not a failure


def _stop(home: Path, processes: Processes, console: Console) -> None:
    console.print("Stopping ...")
    # A second Ctrl-C must not interrupt the shutdown; nothing below waits for long.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes.stop()
    server.stop(home)


def _clean(home: Path, console: Console) -> int:
    if homes.read(home):
        homes.check_owner(home)
        with preflight.only_one(home), preflight.only_one(home, "bench"):
            stop_leftovers(home)
            server.destroy(home)
    left = homes.clear(home)
    if left:
        console.print(f"Not removed from {home}, since Perennial did not create it: {', '.join(left)}", soft_wrap=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m include.sandbox.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop everything when the chain is done")
    parser.add_argument("--port", type=_port, help="the port of Airflow's UI; a free one by default")
    parser.add_argument("--customers", type=int, help="number of customers at the start")
    parser.add_argument("--clean", action="store_true", help="stop the demo and remove everything it created")
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port (1 to 65535)")
    return int(text)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
