"""Interpret the errors of ``requests``."""

from __future__ import annotations

import re
from typing import Any

import requests


def never_connected(error: BaseException) -> bool:
    """Return whether the connection failed before anything can have been sent."""
    text = repr(error)
    return isinstance(error, requests.exceptions.ConnectTimeout) or any(
        sign in text for sign in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
    )


def reason(error: object) -> str:
    """Return the innermost cause, without object addresses and the URLs that ``requests`` adds."""
    inner: Any = error
    while isinstance(inner, BaseException):
        deeper = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    return re.sub(r"^(?:<.*? object at 0x\w+>|HTTPS?Connection(?:Pool)?\(.*?\)): ", "", str(inner))
