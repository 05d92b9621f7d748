"""The world's clock: the machine's, unless a test holds it or moves it on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from include.common import clock


class WorldClock:
    """Tells the world's time, in milliseconds since 1970."""

    def __init__(self) -> None:
        self._fixed: datetime | None = None
        self._offset = timedelta()

    def now(self) -> int:
        """Return the world's time."""
        return int((self._fixed or clock.now() + self._offset).timestamp() * 1000)

    def fix(self, at: datetime | None) -> None:
        """Hold the clock at a time; None lets it run with the machine's again."""
        self._fixed, self._offset = at, timedelta()

    def advance(self, by: timedelta) -> None:
        """Move the clock on; a held one stays held, a running one runs on."""
        if self._fixed:
            self._fixed += by
        else:
            self._offset += by

    def iso(self) -> str:
        """Return the world's time as ISO text."""
        return datetime.fromtimestamp(self.now() / 1000, UTC).isoformat(timespec="milliseconds")
