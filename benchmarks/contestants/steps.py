"""Run Perennial's steps in separate processes, as Airflow does, in a new warehouse."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import measure, services
from benchmarks.measure import Failed, Run
from benchmarks.rows import Row


@dataclass(frozen=True)
class Steps:
    """The steps of one entity of one source.

    Args:
        source: Connection id.
        entity: Name of the entity.
        count: Number of rows at the source.
        environment: The connection.
    """

    source: str
    entity: str
    count: int
    environment: Mapping[str, str] = field(repr=False)

    def run(self, is_merged: bool) -> Run:
        """Read and land; then validate and merge if ``is_merged``.

        Raises:
            Failed: A step failed, or rows are missing.
        """
        url = services.database(is_warehouse=True)
        environment = {
            **self.environment,
            "PERENNIAL_DATABASE_URL": url,
            "PERENNIAL_NOW": services.NOW,
            "PERENNIAL_HOME": str(services.home() / "ours"),
        }
        runs: dict[str, Run] = {}
        try:
            for step in ("extract", "validate", "merge") if is_merged else ("extract",):
                command = [sys.executable, "-m", "benchmarks.contestants.ours", step, self.source, self.entity]
                runs[step] = measure.run(command, environment=environment)
        finally:
            services.drop(url)
        if runs["extract"].rows < self.count:
            raise Failed(f"{runs['extract'].rows} rows instead of {self.count}")
        result: dict[str, Any] = {}
        if is_merged:
            result = {f"{step} s": round(run.seconds, 2) for step, run in runs.items()}
            # Most of the validating process's memory is Great Expectations itself.
            result["landing MB"] = round(runs["extract"].peak_mb)
        return Run(
            sum(run.seconds for run in runs.values()), self.count, max(run.peak_mb for run in runs.values()), result
        )


def row(case: str, who: str, count: int, runs: list[Run] | Failed, *, against: str, **wanted: float) -> Row:
    """Return the table row of a contestant.

    Args:
        case: See ``Row``.
        who: See ``Row``.
        count: Number of rows that each run handled.
        runs: Its runs, or why there are none.
        against: The contestant that it is compared with.
        wanted: ``wanted`` and ``most_mb`` of ``Row``.
    """
    against = "" if who == against else against
    if isinstance(runs, Failed):
        return Row(case, who, against=against, note=f"failed: {str(runs).splitlines()[0][:80]}", **wanted)
    shown = {name: value for name, value in runs[-1].result.items() if name not in ("seconds", "rows")}
    return Row(
        case,
        who,
        n=count,
        seconds=measure.seconds_of(runs),
        peak_mb=max(run.peak_mb for run in runs),
        against=against,
        note=", ".join(f"{name} {value}" for name, value in shown.items()),
        **wanted,
    )
