"""The whole chain in one process, as Airflow's tasks run it: ingest, build, decide, deliver.

``python -m tests.end_to_end.chain RUN_ID`` is the child process of the kill tests.
"""

from __future__ import annotations

import sys
from typing import Any

SOURCES = ("crm", "support", "product_db")


def run(run_id: str) -> dict[str, Any]:
    """Run every step once and return the results."""
    from include.decide.decide import decide
    from include.deliver.deliver import deliver
    from include.ingest import pipeline
    from include.models import build

    said: dict[str, Any] = {source: pipeline.run(source, run_id=run_id) for source in SOURCES}
    said["build"] = build.run(f"build/{run_id}")
    said["decide"] = decide(f"decide/{run_id}")
    said["deliver"] = deliver()
    return said


if __name__ == "__main__":
    run(sys.argv[1])
