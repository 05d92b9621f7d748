"""Ask Airflow's API server for the health of its components: ``python -m include.orchestration.health scheduler``.

Containers run this health check every few seconds, so it does not import Airflow, which would cost 3 s of CPU.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request

# Component -> its name in the answer of the health endpoint.
NAMES = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def unhealthy(base_url: str, seconds: float = 5) -> list[str]:
    """Return the components that are not healthy.

    Args:
        seconds: The timeout of the request.

    Returns:
        Names as in ``COMPONENTS``. ``api-server`` also stands for Airflow's database.
    """
    try:
        with urllib.request.urlopen(f"{base_url.rstrip('/')}/api/v2/monitor/health", timeout=seconds) as answer:  # noqa: S310
            health = json.load(answer)
    except (OSError, ValueError):
        return ["api-server", *NAMES]
    bad = [] if health["metadatabase"]["status"] == "healthy" else ["api-server"]
    return bad + [name for name, key in NAMES.items() if (health.get(key) or {}).get("status") != "healthy"]


if __name__ == "__main__":
    # The URL inside the network, which every component has. The base URL is for browsers.
    url = os.environ.get("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:8080/execution/")
    sys.exit(sys.argv[1] in unhealthy(url.removesuffix("/").removesuffix("/execution")))
