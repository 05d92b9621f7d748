"""Reads response bodies: limited in size and time, JSON only."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import requests

LARGEST = 128 * 1024 * 1024
# From the first byte to the last: a server that drips a byte a minute never trips the read timeout.
LONGEST = 300.0
_CHUNK = 256 * 1024


class BadBody(Exception):
    """The body is no usable JSON; the message says why."""


def read(response: requests.Response) -> bytes:
    """Return the whole decoded body.

    Raises:
        BadBody: It is larger or slower than any honest answer.
        requests.RequestException: The connection broke.
    """
    started = time.monotonic()
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise BadBody(f"the answer is larger than {LARGEST >> 20} MiB")
        if time.monotonic() - started > LONGEST:
            raise BadBody(f"the answer was not complete after {LONGEST:.0f} seconds")
    return b"".join(parts)


def parse(content: bytes) -> Any:
    """Return the JSON value.

    Raises:
        BadBody: It is no JSON, or too deep.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    # Lone surrogates are JSON to most parsers and some vendors, not to orjson. Whoever stores the text cleans it.
    if b"\\ud" not in content.lower():
        raise BadBody(_looks_like(content))
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadBody(_looks_like(content)) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _looks_like(content: bytes) -> str:
    start = content[:200].lstrip().lower()
    if not start:
        return "the answer is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "the answer is a web page, not JSON"
    return "the answer is not JSON, or was cut off"
