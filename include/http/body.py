"""Reads response bodies: limited in size and time, JSON only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

import msgspec
import orjson
import requests

LARGEST = 128 * 1024 * 1024
# A whole call, from connecting to the last byte: a server that drips a byte a minute never trips the read timeout.
LONGEST = 300.0
_CHUNK = 256 * 1024


class BadBody(ValueError):
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
    # Lone surrogates are JSON to most parsers and some vendors, not to orjson. Anyone who stores the text cleans it.
    if b"\\ud" not in content.lower():
        raise BadBody(_looks_like(content))
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadBody(_looks_like(content)) from None


def rows_apart(name: str, others: Iterable[str]) -> Callable[[bytes], Any]:
    """Return what parses a page but leaves each of its rows as it came, for ``row``.

    Args:
        name: Under which the page has its rows.
        others: What else of the page is wanted.
    """
    keys = {name: list[msgspec.Raw], **dict.fromkeys(others, Any)}
    decoder = msgspec.json.Decoder(TypedDict("Page", keys, total=False))  # type: ignore[operator]

    def parse_apart(content: bytes) -> Any:
        try:
            content.decode()  # within a row nothing else would look, until it is landed
            return decoder.decode(content)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return parse(content)

    return parse_apart


def row(given: Any) -> Any:
    """Return a row of a page that was parsed by ``rows_apart``.

    Raises:
        BadBody: It is no JSON, or too deep.
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
