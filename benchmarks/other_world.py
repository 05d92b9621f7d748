"""Run the sandbox with parameters other than those that signals were tuned on: ``python -m benchmarks.other_world``.

The parameters were chosen once, before any result was seen. People come and go more often. There are more tickets, and
more bad ratings and low scores from healthy customers. Falls in usage are shallower and later. Three CSMs have about
sixty accounts each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.sandbox import parameters

OTHER: dict[str, Any] = {
    "TEAMS": {"Enterprise": 1, "Growth": 2},
    "TIERS": {"key_account": 0.16, "standard": 0.38, "small": 0.46},
    "CAUSES": {"low_adoption": 0.36, "support_pain": 0.27, "champion_left": 0.20, "competitor": 0.17},
    "SHARE_SILENT": 0.30,
    "STAYERS_PER_LEAVER": 1.3,
    "SYMPTOM_LEAD_DAYS": (72, 150),
    "USAGE_FALLS_TO": (0.12, 0.48),
    "USAGE_FALLS_DAYS": (18, 48),
    "STORM_TICKETS": (4, 10),
    "TICKETS_PER_MONTH": {"key_account": 2.2, "standard": 0.75, "small": 0.30},
    "SHARE_GOOD": 0.86,
    "BAD_SCORE": 0.22,
    "PAYS_LATE": 0.18,
    "USER_LEAVES_PER_YEAR": 0.15,
    "USER_KINDS": {"daily": (0.26, 0.58), "weekly": (0.46, 0.21), "rare": (0.28, 0.05)},
    "SEASON": {7: 0.94, 8: 0.85, 12: 0.75},
}


@contextmanager
def in_force() -> Iterator[None]:
    """Replace the sandbox's parameters with these."""
    before = {name: getattr(parameters, name) for name in OTHER}
    try:
        for name, value in OTHER.items():
            setattr(parameters, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(parameters, name, value)


if __name__ == "__main__":
    from include.sandbox.__main__ import main

    with in_force():
        sys.exit(main())
