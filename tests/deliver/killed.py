"""Deliver and get killed by SIGKILL on the way: ``python -m tests.deliver.killed CHANNEL POINT``."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from include.deliver.channels.crm_task.hubspot import HubSpotTasks
from include.deliver.channels.email import EmailChannel
from include.deliver.channels.slack import SlackChannel
from include.deliver.deliver import deliver

CHANNELS: dict[str, Any] = {"slack": SlackChannel, "email": EmailChannel, "crm_task": HubSpotTasks}


def die(*arguments: object) -> Any:
    """Kill the process, as a power failure would."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(channel: str, point: str) -> None:
    """Deliver, and die between claim and call, call and record, or task and association."""
    chosen = CHANNELS[channel]
    send = chosen.send

    def send_and_die(self: Any, deliveries: Any) -> None:
        send(self, deliveries)
        die()

    if point == "claimed":
        chosen.send = die
    elif point == "sent":
        chosen.send = send_and_die
    else:
        chosen._link = die
    deliver()


if __name__ == "__main__":
    main(*sys.argv[1:])
