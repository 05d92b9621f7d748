"""Redirect a tap whose vendor's address is hard-coded to another host. For benchmarks only.

Python imports this module if it is on PYTHONPATH. The tap itself is unchanged.
"""

from __future__ import annotations

import os
import re
from typing import Any

import requests.adapters

_TO = os.environ.get("BENCH_VENDORS", "")
_FROM = (
    (re.compile(r"^https://api\.hubapi\.com"), "/hubspot"),
    (re.compile(r"^https://\w+\.zendesk\.com"), "/zendesk"),
)
_send = requests.adapters.HTTPAdapter.send


def _sent_here(self: Any, request: Any, *arguments: Any, **named: Any) -> Any:
    for pattern, place in _FROM:
        request.url = pattern.sub(_TO + place, request.url)
    # The sandbox's HubSpot portal has no tickets; they are in Zendesk.
    request.url = request.url.replace("associations=tickets%2C", "associations=")
    # The tap writes seconds as 86400.0. Zendesk accepts that; the sandbox does not.
    request.url = re.sub(r"(start_time=\d+)\.0\b", r"\1", request.url)
    return _send(self, request, *arguments, **named)


if _TO:
    requests.adapters.HTTPAdapter.send = _sent_here  # type: ignore[method-assign]
