"""The world's clock: the machine's, unless a test fixes or advances it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from include.common import clock


class WorldClock:
    """The world's time, in milliseconds since 1970."""

    def __init__(self) -> None:
        self._fixed: datetime | None = None
        self._offset = timedelta()

    def now(self) -> int:
        return int((self._fixed or clock.now() + self._offset).timestamp() * 1000)

    def fix(self, at: datetime | None) -> None:
        """Fix the clock at a time; None lets it run with the machine's clock again."""
        self._fixed, self._offset = at, timedelta()

    def advance(self, by: timedelta) -> None:
        """Advance the clock. A fixed clock stays fixed, a running one keeps running."""
        if self._fixed:
            self._fixed += by
        else:
            self._offset += by

    def iso(self) -> str:
        """Return the world's time as ISO text."""
        return datetime.fromtimestamp(self.now() / 1000, UTC).isoformat(timespec="milliseconds")
