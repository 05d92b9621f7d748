"""A process of its own that ingests the make-believe org: ``python -m tests.integration.salesforce_process``.

It is killed by tests. Contracts pass everything: they are tested elsewhere, and cost seconds to import.
"""

from __future__ import annotations

import include.contracts
from include.sources import ingest
from tests.integration.conftest import FakeContracts


def main() -> None:
    include.contracts.validate = FakeContracts()  # type: ignore[attr-defined]
    print(ingest.run("crm").state)


if __name__ == "__main__":
    main()
