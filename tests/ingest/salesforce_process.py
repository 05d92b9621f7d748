"""A process of its own that ingests the sandbox org: ``python -m tests.ingest.salesforce_process``.

It is killed by tests. Contracts pass everything: they are tested elsewhere, and cost seconds to import.
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
