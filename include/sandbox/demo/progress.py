"""Display the demo's progress: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from include.cli.output import Waiting

MARKS = {"running": "[cyan]running[/]", "queued": "queued", "success": "[green]done[/]", "failed": "[red]failed[/]"}


@dataclass(frozen=True)
class Row:
    """The state of one DAG run.

    Args:
        dag: The DAG.
        run: The run's id.
        state: Its Airflow state.
        n_done: Number of finished tasks.
        n_tasks: Number of all tasks.
        seconds: Seconds since its start.
    """

    dag: str
    run: str
    state: str
    n_done: int
    n_tasks: int
    seconds: float


class Progress:
    """Displays stages and runs, and records how long each stage took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()
        self._stage = ""
        self._since = self._started
        self._live: Live | None = None
        self._shown: dict[tuple[str, str], str] = {}
        # Receives what is being waited for, for how long, and the log to look at. Called often, it rarely prints.
        self.waiting = Waiting(lambda text: self.say(f"  {text}"))

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def stage(self, name: str) -> None:
        """End the running stage and begin the next; an empty name only ends it."""
        self._end_live()
        if self._stage:
            self.seconds[self._stage] = time.monotonic() - self._since
        self._stage, self._since, self._shown = name, time.monotonic(), {}
        if name:
            self.say(f"{name} ...")

    def say(self, text: str) -> None:
        """Print a line, prefixed by the time since the start."""
        self.console.print(f"[dim]{self.total:6.1f} s[/]  {text}", highlight=False, soft_wrap=True)

    def runs(self, rows: list[Row]) -> None:
        """Show the state of this stage's runs."""
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, auto_refresh=False)
                self._live.start()
            self._live.update(_table(rows), refresh=True)
            return
        for row in rows:
            key = (row.dag, row.run)
            if self._shown.get(key) != row.state:
                self._shown[key] = row.state
                took = f" after {row.seconds:.1f} s" if row.state in ("success", "failed") else ""
                self.say(f"  {row.dag}: {row.state}{took}")

    def close(self) -> None:
        self.stage("")

    def _end_live(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None


def _table(rows: list[Row]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(
            "         ",
            row.dag,
            MARKS.get(row.state, row.state),
            f"{row.n_done}/{row.n_tasks} tasks" if row.n_tasks else "",
            f"{row.seconds:.0f} s",
        )
    return table
