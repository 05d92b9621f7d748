"""``./perennial``: a command of ``include.cli``, with the demo's environment if the demo runs from this folder."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path

from include.common import paths
from include.sandbox.demo.state import write_private

FILE = "demo-environment.json"
# If one of these is set, another Perennial than the demo is meant.
OWN = ("PERENNIAL_DATABASE_URL", "PERENNIAL_CONFIG_DIR")


def note(home: Path, environment: dict[str, str]) -> None:
    """Write the environment that commands need to reach the demo: only Perennial's variables and the connections."""
    kept = {key: value for key, value in environment.items() if key.startswith(("PERENNIAL_", "AIRFLOW_CONN_"))}
    write_private(home / FILE, json.dumps(kept))


def environment_of_the_demo(home: Path) -> dict[str, str]:
    """Return the environment of the running demo; empty if none runs, or if other variables are set."""
    if any(os.environ.get(name) for name in OWN) or not _runs(home):
        return {}
    try:
        return json.loads((home / FILE).read_text())
    except (OSError, ValueError):
        return {}


def _runs(home: Path) -> bool:
    """Return whether a launcher holds the lock (``preflight.only_one``)."""
    try:
        with (home / "demo.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main() -> int:
    """Run the command and return its exit status."""
    found = environment_of_the_demo(paths.home())
    os.environ.update({name: value for name, value in found.items() if not os.environ.get(name)})
    if found and sys.stderr.isatty():
        sys.stderr.write(f"(using the demo in {paths.home()})\n")
    from include.cli import main as cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
