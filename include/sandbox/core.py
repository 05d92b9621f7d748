"""The shared state of all sandbox parts."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from include.sandbox.clock import WorldClock
from include.sandbox.journal import Journal
from include.sandbox.limits import Limits
from include.sandbox.store import Store
from include.sandbox.world.build import World


@dataclass
class Sandbox:
    """The shared state of the sandbox vendors.

    Args:
        world: The whole world, past and future.
        journal: The persistent state.
        clock: The world's time.
        store: The vendors' current records.
        limits: Rate limits.
        url: Base URL.
        switches: Misbehaviour inside a vendor, by name (see ``include.sandbox.control``).
    """

    world: World
    journal: Journal
    clock: WorldClock
    store: Store
    limits: Limits = field(default_factory=Limits)
    url: str = ""
    switches: dict[str, Any] = field(default_factory=dict)

    def now(self) -> int:
        """Apply all changes that are due. Return the world's time in milliseconds since 1970."""
        return self.store.advance()

    def secret(self, name: str, prefix: str = "") -> str:
        """Return a secret of this sandbox, generated on first use and stored."""
        kept = self.journal.get(f"secret {name}")
        if kept is None:
            kept = prefix + secrets.token_hex(16)
            self.journal.put(f"secret {name}", kept)
        return kept

    def keep_switches(self) -> None:
        """Store the switches, so that they survive a restart."""
        self.journal.put("switches", json.dumps(self.switches))
