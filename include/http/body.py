"""Read response bodies: limited in size and time, JSON only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

import msgspec
import orjson
import requests

MAX_BYTES = 128 * 1024 * 1024
# For the whole call, from connect to the last byte: a server that drips a byte a minute never trips the read timeout.
MAX_SECONDS = 300.0
_CHUNK_BYTES = 256 * 1024


class BadBody(ValueError):
    """The body is not usable JSON. The message says why."""


def read(response: requests.Response) -> bytes:
    """Return the whole decoded body.

    Raises:
        BadBody: The body exceeds ``MAX_BYTES`` bytes, or took longer than ``MAX_SECONDS`` seconds.
        requests.RequestException: The connection broke.
    """
    started = time.monotonic()
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise BadBody(f"the response is larger than {MAX_BYTES >> 20} MiB")
        if time.monotonic() - started > MAX_SECONDS:
            raise BadBody(f"the response was not complete after {MAX_SECONDS:.0f} seconds")
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
        raise BadBody(_parse_error(content))
    try:
        return json.loads(content, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise BadBody(_parse_error(content)) from None


def page_parser(name: str, others: Iterable[str]) -> Callable[[bytes], Any]:
    """Return a parser that leaves each row of a page undecoded, for ``row``.

    Args:
        name: Key of the page's list of rows.
        others: Other keys of the page to decode.
    """
    keys = {name: list[msgspec.Raw], **dict.fromkeys(others, Any)}
    decoder = msgspec.json.Decoder(TypedDict("Page", keys, total=False))  # type: ignore[operator]

    def parse_page(content: bytes) -> Any:
        try:
            content.decode()  # otherwise bad UTF-8 in a row would go unnoticed until it is landed
            return decoder.decode(content)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return parse(content)

    return parse_page


def row(given: Any) -> Any:
    """Return a row of a page that was parsed by a ``page_parser``.

    Raises:
        BadBody: The row is not JSON, or is nested too deeply.
    """
    return parse(bytes(given)) if type(given) is msgspec.Raw else given


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not valid JSON")


def _parse_error(content: bytes) -> str:
    start = content[:200].lstrip().lower()
    if not start:
        return "the response is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "the response is a web page, not JSON"
    return "the response is not JSON, or was cut off"
