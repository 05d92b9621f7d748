"""``make bench``: run stages, print their tables, and store the results in ``benchmarks/results``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import measure
from benchmarks.rows import Row, as_json, cells, markdown, verdicts
from include.common import home as homes
from include.common import paths
from include.common.errors import PerennialError
from include.sandbox.demo.preflight import only_one

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCUMENTS = tuple(HERE.parent / "docs" / "reference" / name for name in ("benchmarks.md", "alerts.md"))


def stages() -> list[str]:
    return sorted(path.stem for path in (HERE / "stages").glob("[!_]*.py"))


def main() -> int:
    """Run the stages. Return 1 if a stage could not run; a missed target is only shown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("stage", nargs="*", help=f"stages to run; by default all: {', '.join(stages())}")
    sizes = "small: a trial of about a minute; largest: hours, stage warehouse only"
    parser.add_argument("--size", choices=("small", "full", "largest"), default="full", help=sizes)
    parser.add_argument("--docs", action="store_true", help="also write the latest tables into the documents")
    given = parser.parse_args()
    unknown = [name for name in given.stage if name not in stages()]
    if unknown:
        parser.error(f"unknown stage {unknown[0]}; choose from {', '.join(stages())}")
    if given.size == "largest" and given.stage != ["warehouse"]:
        parser.error("only the stage warehouse has a largest size")
    # On SIGTERM, exit normally so that our servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console, failed = Console(width=max(120, Console().width)), []
    home = paths.home()
    try:
        homes.claim(home)
        with only_one(home, "bench"):  # a second run would stop the servers of the first
            for name in given.stage or stages():
                if not _stage(console, name, given.size):
                    failed.append(name)
    except PerennialError as error:
        parser.exit(error.exit_status, f"perennial: {error}\n")
    if given.docs:
        kept = [_kept_as(name, given.size) for name in given.stage or stages()]
        for document in DOCUMENTS:
            document.write_text(documented(document.read_text(), kept))
    if failed:
        print(f"not measured: {', '.join(failed)}")
    return 1 if failed else 0


def documented(text: str, names: list[str]) -> str:
    """Return the document with each stage's newest table between its two markers."""
    for name in names:
        table = RESULTS / f"{name}.md"
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if table.exists() and start in text and end in text:
            before, _, rest = text.partition(start)
            text = f"{before}{start}\n{table.read_text()}{end}{rest.partition(end)[2]}"
    return text


def _kept_as(stage: str, size: str) -> str:
    """Return the file name of a stage's results. Those of the largest size are stored separately."""
    return f"{stage}-{size}" if size == "largest" else stage


def _stage(console: Console, name: str, size: str) -> bool:
    print(f"{name} ({size})", flush=True)
    before, started = measure.load(), time.monotonic()
    try:
        rows: list[Row] = importlib.import_module(f"benchmarks.stages.{name}").run(size)
    except Exception:
        # A failed stage must not stop the others.
        console.print_exception()
        return False
    machine = _machine() | {"before": before, "after": measure.load(), "minutes": (time.monotonic() - started) / 60}
    RESULTS.mkdir(exist_ok=True)
    kept = {"stage": name, "size": size, "at": datetime.now(UTC).isoformat(), "machine": machine, "rows": as_json(rows)}
    (RESULTS / f"{_kept_as(name, size)}.json").write_text(json.dumps(kept, indent=1, default=str))
    busy = f"Load before {machine['before']['load_1']}, after {machine['after']['load_1']}; size {size};"
    caption = f"{busy} Python {machine['python']}, {machine['cores']} cores, {datetime.now(UTC):%Y-%m-%d}."
    (RESULTS / f"{_kept_as(name, size)}.md").write_text(f"{caption}\n\n{markdown(rows)}\n")
    _show(console, name, rows, machine)
    return True


def _show(console: Console, name: str, rows: list[Row], machine: dict[str, Any]) -> None:
    header, lines = cells(rows)
    table = Table(*header, title=f"{name}; load {machine['before']['load_1']}, {machine['minutes']:.1f} minutes")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    for verdict in verdicts(rows):
        console.print(f"  [{'green]met   ' if verdict.is_met else 'red]missed'}[/] {verdict.text}", highlight=False)


def _machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main())
