"""Ingest a large in-memory source in a separate process: ``python -m tests.ingest.ingest_process N``.

Tests kill it or measure its memory. It prints one JSON line at its end.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import include.contracts
from include.common.connections import Connection
from include.connectors import registry
from include.connectors.base import Page, Record, Request, Source
from include.ingest import pipeline
from tests.fixtures.ingest import FakeContracts

START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 200


class Large(Source):
    """Create records while they are read. A second pass updates every seventh record."""

    vendor, kind = "hubspot", "crm"

    def __init__(self, n: int, pause: float) -> None:
        self.n, self.pause = n, pause

    def entities(self) -> tuple[str, ...]:
        return ("contact",)

    def pages(self, entity: str, request: Request) -> Iterator[Page]:
        total = self.n + self.n // 7
        start = request.mark["n"] if request.mark else total if request.position else 0
        for first in range(start, max(total, 1), PAGE):
            time.sleep(self.pause)
            upto = min(first + PAGE, total)
            yield Page([self._record(n) for n in range(first, upto)], {"n": upto})
        yield Page([], {"n": total}, {"n": total}, request.until)

    def _record(self, n: int) -> Record:
        version, number = (1, n) if n < self.n else (2, (n - self.n) * 7)
        values = {"account_id": str(number % 97), "email": f"{number}@example.com", "job_title": f"v{version}" * 20}
        payload = {"id": number, "properties": {"note": "x" * 600, "version": version}}
        return Record(str(number), values, payload, START + timedelta(minutes=version))


def main() -> None:
    n, pause = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    include.contracts.validate = FakeContracts()  # type: ignore[attr-defined]
    source = Large(n, pause)
    registry.connect = lambda connection: source  # type: ignore[assignment, return-value]
    pipeline.connections.get = lambda id: Connection(id=id, vendor="hubspot")  # type: ignore[attr-defined]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    extracted = pipeline.extract("crm", "contact")
    landed = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    started = time.monotonic()
    verdict = pipeline.run("crm")
    print(
        json.dumps(
            {
                "state": verdict.state,
                "n_rows": extracted.n_rows,
                "rows_a_second": round(extracted.n_rows / extracted.seconds),
                "merge_seconds": round(time.monotonic() - started, 2),
                "mb_before": before,
                "mb_landed": landed,
                "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
