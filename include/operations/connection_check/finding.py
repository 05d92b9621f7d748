"""The findings of a connection check, one line each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from include.common.errors import PerennialError, Unavailable

State = Literal["ok", "warning", "failed", "unknown"]
COLUMNS = ("connection", "what", "state", "found", "to_fix")


@dataclass(frozen=True)
class Line:
    """One finding.

    Args:
        state: ``ok``; ``warning`` if it works but a person should know; ``failed``; ``unknown`` if it cannot be seen.
        to_fix: What to do; "" if nothing.
        rows: Some rows, with values that identify a person masked.
        exit_status: The command line's exit status for a failure.
    """

    connection: str
    what: str
    state: State
    found: str
    to_fix: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    exit_status: int = 0


def failed(connection: str, what: str, error: PerennialError) -> Line:
    """Turn an error into a failed line."""
    return Line(connection, what, "failed", error.message, error.cure, exit_status=error.exit_status)


class LimitedSleep:
    """Replaces a client's sleep, with a limit on the total waiting time."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def __call__(self, seconds: float) -> None:
        """Sleep.

        Raises:
            Unavailable: The total would exceed the limit of an interactive check.
        """
        self._left -= seconds
        if self._left < 0:
            raise Unavailable(
                f"the vendor asks to wait another {seconds:.0f} seconds, too long for a check",
                cure="try again later; `ingest` waits",
            )
        time.sleep(seconds)


@contextmanager
def errors_as_lines(lines: list[Line], connection: str, what: str) -> Iterator[None]:
    """Turn an error of the enclosed block into a failed line."""
    try:
        yield
    except PerennialError as error:
        lines.append(failed(connection, what, error))
