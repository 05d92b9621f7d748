from __future__ import annotations

import os
import pwd


def user() -> str:
    """Return the user of this process from its user id: environment variables cannot change it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers often run under a user id without a name
        return f"user {os.getuid()}"
