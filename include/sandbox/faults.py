"""Faults in the way of an answer: each is a rule that matches calls and makes them go wrong."""

from __future__ import annotations

from typing import Any


class Faults:
    """The faults in force."""

    async def play(self, app: Any, scope: Any, receive: Any, send: Any, raw_send: Any) -> None:
        """Let the application answer, with the faults that match the call."""
        await app(scope, receive, send)
