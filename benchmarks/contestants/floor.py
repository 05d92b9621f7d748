"""The lower bound of reading: the same calls, one after the other, each response parsed and discarded."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import orjson
import requests


def main() -> None:
    """Repeat the calls of a file, against a URL, with an Authorization header."""
    calls = orjson.loads(Path(sys.argv[1]).read_bytes())
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"Accept": "application/json", "Authorization": sys.argv[3]})
    started, n_bytes = time.perf_counter(), 0
    for method, target, body in calls:
        headers = {"Content-Type": "application/json"} if body else None
        answer = session.request(method, sys.argv[2] + target, data=body or None, headers=headers, timeout=60)
        n_bytes += len(answer.content)
        orjson.loads(answer.content)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "calls": len(calls), "megabytes": round(n_bytes / 1e6, 1)}))


if __name__ == "__main__":
    main()
