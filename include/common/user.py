"""Who runs this process."""

from __future__ import annotations

import os
import pwd


def user() -> str:
    """Return whose process this is, as the system knows it: no variable of the environment can say otherwise."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user id without a name, as containers have
        return f"user {os.getuid()}"
