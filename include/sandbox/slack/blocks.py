"""Validate messages against the limits of Slack's blocks."""

from __future__ import annotations

from typing import Any

MOST_BLOCKS, MOST_TEXT, MOST_FIELDS, MOST_FIELD, MOST_HEADER, MOST_ELEMENTS, MOST_ID = 50, 3000, 10, 2000, 150, 10, 255
MOST_IN_ALL = 13_200  # undocumented, but real
MOST_BUTTON, MOST_URL = 75, 3000
TYPES = {"section", "header", "divider", "context", "actions", "image", "rich_text"}


def complaints(blocks: Any) -> list[str]:
    """Return what is wrong with a message's blocks, in Slack's own error format."""
    if not isinstance(blocks, list):
        return ["must be an array"]
    found = [f"no more than {MOST_BLOCKS} items allowed [json-pointer:/blocks]"] if len(blocks) > MOST_BLOCKS else []
    ids: set[str] = set()
    for position, block in enumerate(blocks):
        where = f"[json-pointer:/blocks/{position}"
        if not isinstance(block, dict) or block.get("type") not in TYPES:
            found.append(f"unsupported type: {block.get('type') if isinstance(block, dict) else block} {where}/type]")
            continue
        found += [f"{complaint} {where}]" for complaint in _block(block)]
        if name := block.get("block_id"):
            if len(name) > MOST_ID or name in ids:
                found.append(f"invalid or repeated block_id {where}/block_id]")
            ids.add(name)
    return found


def _block(block: dict[str, Any]) -> list[str]:
    kind = block["type"]
    if kind == "section":
        if not block.get("text") and not block.get("fields"):
            return ["missing required field: text"]
        fields = block.get("fields") or []
        found = [f"no more than {MOST_FIELDS} items allowed in fields"] if len(fields) > MOST_FIELDS else []
        found += [problem for each in fields for problem in _text(each, MOST_FIELD)]
        return found + (_text(block["text"], MOST_TEXT) if block.get("text") else [])
    if kind == "header":
        text = block.get("text")
        plain = isinstance(text, dict) and text.get("type") == "plain_text"
        return _text(text, MOST_HEADER) if plain else ["header text must be plain_text"]
    if kind == "context":
        elements = block.get("elements") or []
        if not 1 <= len(elements) <= MOST_ELEMENTS:
            return [f"context needs 1 to {MOST_ELEMENTS} elements"]
        return [problem for each in elements if each.get("type") != "image" for problem in _text(each, MOST_TEXT)]
    if kind == "actions":
        return [problem for each in block.get("elements") or [{}] for problem in _element(each)]
    return []


def _element(element: dict[str, Any]) -> list[str]:
    if element.get("type") != "button":
        return [] if element.get("type") else ["elements must not be empty"]
    text = element.get("text")
    if not isinstance(text, dict) or text.get("type") != "plain_text":
        return ["a button's text must be plain_text"]
    found = _text(text, MOST_BUTTON)
    if len(element.get("url") or "") > MOST_URL:
        found.append(f"url: must be no more than {MOST_URL} characters")
    return found


def _text(text: Any, most: int) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in ("plain_text", "mrkdwn"):
        return ["text must be an object of type plain_text or mrkdwn"]
    content = text.get("text")
    if not isinstance(content, str) or not content:
        return ["text: must be more than 0 characters"]
    return [f"text: must be no more than {most} characters"] if len(content) > most else []


def is_too_long(blocks: list[Any]) -> bool:
    """Return whether all texts together exceed Slack's limit."""
    return sum(map(_length, blocks)) > MOST_IN_ALL


def _length(value: Any) -> int:
    if isinstance(value, dict):
        return sum(
            len(item) if name == "text" and isinstance(item, str) else _length(item) for name, item in value.items()
        )
    return sum(map(_length, value)) if isinstance(value, list) else 0
