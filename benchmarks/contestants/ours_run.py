"""One whole run of Perennial's ingest for one entity: read, judge, merge."""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Run the source and entity given."""
    from include.sources import ingest

    started = time.perf_counter()
    ingest.run(sys.argv[1], only=(sys.argv[2],))
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
