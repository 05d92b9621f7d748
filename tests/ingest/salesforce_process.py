"""Ingest the sandbox org in a separate process: ``python -m tests.ingest.salesforce_process``.

Tests kill it. Contracts pass everything: they have their own tests, and importing them takes seconds.
"""

from __future__ import annotations

import include.contracts
from include.ingest import pipeline
from tests.fixtures.ingest import FakeContracts


def main() -> None:
    include.contracts.validate = FakeContracts()  # type: ignore[attr-defined]
    print(pipeline.run("crm").state)


if __name__ == "__main__":
    main()
