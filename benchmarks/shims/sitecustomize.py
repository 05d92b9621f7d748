"""Lets a tap whose vendor's address is fixed in its code speak to another host: for the measurements only.

Python imports this where it is on PYTHONPATH. The tap itself is not changed.
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
    # The sandbox's portal has no tickets of its own: the desk has them.
    request.url = request.url.replace("associations=tickets%2C", "associations=")
    # The tap writes seconds as 86400.0, which the desk takes and the sandbox does not.
    request.url = re.sub(r"(start_time=\d+)\.0\b", r"\1", request.url)
    return _send(self, request, *arguments, **named)


if _TO:
    requests.adapters.HTTPAdapter.send = _sent_here  # type: ignore[method-assign]
