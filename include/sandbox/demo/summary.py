"""The readable end of the demo."""

from __future__ import annotations

from typing import Any

from include.sandbox.demo.progress import Progress
from include.sandbox.demo.stack import Stack


def show(stack: Stack, runs: list[dict[str, Any]], progress: Progress) -> str:
    """Print what came of it.

    Returns:
        What was not delivered, as a sentence; "" when all was.
    """
    for name, seconds in progress.seconds.items():
        progress.say(f"{name}: {seconds:.1f}")
    progress.say(f"{stack.ui} admin {stack.state.password}")
    return ""
