"""Texts of rule and report files in the reader's language.

A file's texts are English. Translations come from the catalogue (``include.common.texts``), and before that from the
file itself, whose ``languages`` block repeats its text fields in other languages:

    languages:
      zh_CN:
        title: 使用量下降
        evidence: ["最近 28 天有 {{ usage_28d | number }} 次价值事件。"]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from include.common import texts
from include.common.texts import ENGLISH
from include.config import files
from include.config.documents import Document, Place, read


def translated(message: str) -> str:
    """Return a text of a file in the reader's language; the text itself if there is none."""
    language = texts.language()
    if language == ENGLISH:
        return message
    for own in (_signals(), _playbooks(), _reports(), _touches()):
        if text := own.get((language, message)):
            return text
    return texts.from_file(message)


def in_every_language(message: str) -> Iterator[tuple[str, str]]:
    """Yield each language and the text in it."""
    for language in texts.languages():
        with texts.reading(language):
            yield language, translated(message)


def _own(found: dict[str, Path]) -> dict[tuple[str, str], str]:
    return {(language, english): own for path in found.values() for language, _, english, own in pairs(read(path))}


_signals = files.cached_for("config", "signals/*.yaml")(_own)
_playbooks = files.cached_for("playbooks", "*.yaml")(_own)
_reports = files.cached_for("reports", "*.yaml")(_own)
_touches = files.cached_for("config", "touches/*.yaml")(_own)


def pairs(document: Document) -> Iterator[tuple[str, Place, str, str]]:
    """Yield the language, place, English text and translation of each text in a file's ``languages`` block.

    Raises:
        ConfigError: The block repeats something that the file does not have, or with other placeholders.
    """
    for language, block in (document.data.get("languages") or {}).items():
        if isinstance(block, dict):
            yield from ((language, *one) for one in _walk(document, ("languages", language), document.data, block))


def _walk(document: Document, place: Place, english: Any, own: Any) -> Iterator[tuple[Place, str, str]]:
    if isinstance(english, str) and isinstance(own, str):
        wanted, found = texts.placeholders(english), document.check(place, texts.placeholders, own)
        if wanted != found:
            raise document.error(
                place,
                f"uses {', '.join(sorted(found)) or 'no values'}; the English text: {', '.join(sorted(wanted))}",
                cure="use the same values in every language",
            )
        yield place, english.strip(), own.strip()
    elif isinstance(english, list) and isinstance(own, list) and len(own) == len(english):
        for number, pair in enumerate(zip(english, own, strict=True)):
            yield from _walk(document, (*place, number), *pair)
    elif isinstance(english, list) and isinstance(own, dict):  # steps, by their id
        by_id = {one.get("id"): one for one in english if isinstance(one, dict)}
        yield from _walk(document, place, by_id, own)
    elif isinstance(english, dict) and isinstance(own, dict):
        for key, text in own.items():
            if key not in english:
                raise document.error((*place, key), "is not a text of this file", cure="remove it")
            yield from _walk(document, (*place, key), english[key], text)
    else:
        raise document.error(place, "does not have the form of the English text", cure="repeat it text by text")
