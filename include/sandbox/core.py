"""What every part of the sandbox works on."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from include.sandbox.clock import WorldClock
from include.sandbox.diary import Diary
from include.sandbox.limits import Limits
from include.sandbox.store import Store
from include.sandbox.world.build import World


@dataclass
class Sandbox:
    """The sandbox vendors' common ground.

    Args:
        world: What was, is and will be.
        diary: What outlives the process.
        clock: The world's time.
        store: What the vendors hold now.
        limits: Rate limits.
        url: Where it listens.
        switches: Misbehaviour that is inside a vendor, by name (see ``include.sandbox.control``).
    """

    world: World
    diary: Diary
    clock: WorldClock
    store: Store
    limits: Limits = field(default_factory=Limits)
    url: str = ""
    switches: dict[str, Any] = field(default_factory=dict)

    def now(self) -> int:
        """Let everything happen that is due and return the world's time in milliseconds since 1970."""
        return self.store.advance()

    def secret(self, name: str, prefix: str = "") -> str:
        """Return a secret of this sandbox, made on first use and kept."""
        kept = self.diary.get(f"secret {name}")
        if kept is None:
            kept = prefix + secrets.token_hex(16)
            self.diary.put(f"secret {name}", kept)
        return kept

    def keep_switches(self) -> None:
        """Let the switches outlive the process."""
        self.diary.put("switches", json.dumps(self.switches))
