"""Read response bodies: limited in size and time, JSON only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

import msgspec
import orjson
import requests

LARGEST = 128 * 1024 * 1024
# For the whole call, from connect to the last byte: a server that drips a byte a minute never trips the read timeout.
LONGEST = 300.0
_CHUNK = 256 * 1024


class BadBody(ValueError):
    """The body is not usable JSON. The message says why."""


def read(response: requests.Response) -> bytes:
    """Return the whole decoded body.

    Raises:
        BadBody: The body exceeds ``LARGEST`` bytes, or took longer than ``LONGEST`` seconds.
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
    """Parse the body as JSON.

    Raises:
        BadBody: It is not JSON, or is nested too deeply.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    # Most parsers and some vendors accept lone surrogates in JSON; orjson does not. The code that stores the text
    # removes them.
    if b"\\ud" not in content.lower():
        raise BadBody(_looks_like(content))
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadBody(_looks_like(content)) from None


def rows_apart(name: str, others: Iterable[str]) -> Callable[[bytes], Any]:
    """Return a parser that leaves each row of a page undecoded, for ``row``.

    Args:
        name: Key of the page's list of rows.
        others: Other keys of the page to decode.
    """
    keys = {name: list[msgspec.Raw], **dict.fromkeys(others, Any)}
    decoder = msgspec.json.Decoder(TypedDict("Page", keys, total=False))  # type: ignore[operator]

    def parse_apart(content: bytes) -> Any:
        try:
            content.decode()  # otherwise bad UTF-8 in a row would go unnoticed until it is landed
            return decoder.decode(content)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return parse(content)

    return parse_apart


def row(given: Any) -> Any:
    """Return a row of a page that was parsed by ``rows_apart``.

    Raises:
        BadBody: The row is not JSON, or is nested too deeply.
    """
    return parse(bytes(given)) if type(given) is msgspec.Raw else given


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _looks_like(content: bytes) -> str:
    start = content[:200].lstrip().lower()
    if not start:
        return "the answer is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "the answer is a web page, not JSON"
    return "the answer is not JSON, or was cut off"
