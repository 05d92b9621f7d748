"""Waiting in tests: for something to be so, however slow the machine is; a hang is ended by pytest's own guard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], pause: float = 0.02) -> Any:
    """Look until there is something, and return that. ``look`` raises when it can never be so."""
    while not (found := look()):
        time.sleep(pause)
    return found
