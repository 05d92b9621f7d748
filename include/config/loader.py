"""Reads all settings into one frozen object, and says where each came from."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document, read, validate
from include.config.models import General, Settings

_MAIN = "settings.yaml"
_SECTIONS = {
    f"{name}.yaml": name for name in Settings.model_fields if name not in General.model_fields
}  # every further file is a field of its name
_BUILT_IN = "built in"


@dataclass(frozen=True)
class Shown:
    """One setting as ``config show`` lists it.

    Args:
        key: Its file and path, such as ``renewals.late_by_days``.
        value: Its value.
        origin: ``file:line``, or "built in" where no file says it.
    """

    key: str
    value: object
    origin: str


def load() -> Settings:
    """Return the settings in force; read again whenever a file changed.

    Raises:
        ConfigError: A file is wrong; names file, line and key.
    """
    return _load(_fingerprint())


def config_hash() -> str:
    """Return a short hash of every configuration file's content in force, whatever its comments and layout."""
    content = {name: read(path).data for name, path in files.listing("config", "**/*.yaml").items()}
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:16]


def show() -> list[Shown]:
    """Return every setting with its value and the file and line that says it, and every file of the overlay."""
    settings = load()
    rows: list[Shown] = []
    for name, section in (("", _MAIN), *((name, file) for file, name in _SECTIONS.items())):
        path = files.find("config", section)
        document = read(path) if path else None
        model = getattr(settings, name) if name else settings
        for key in type(model).model_fields:
            if name or key in General.model_fields:
                rows += _rows(document, (name,) if name else (), (key,), getattr(model, key))
    return rows + _listed("mappings") + _listed("contracts") + _overlaid()


def _listed(folder: str) -> list[Shown]:
    """Return what the files of a folder say: what fills each mapped column, what is added to a contract."""
    rows: list[Shown] = []
    for name, path in files.listing("config", f"{folder}/*.yaml").items():
        document = read(path)
        rows += _rows(document, (folder, Path(name).stem), (), document.data)
    return rows


def _overlaid() -> list[Shown]:
    """Return the SQL and playbooks that stand in the overlay."""
    above = files.overlay()
    areas: tuple[files.Area, ...] = ("sql", "playbooks")
    return [
        Shown(f"{area}/{name}", "own file", files.shown(path))
        for area in areas
        for name, path in files.listing(area, "**/*").items()
        if above and path.is_relative_to(above)
    ]


def _rows(document: Document | None, prefix: tuple[str, ...], place: tuple, value: Any) -> list[Shown]:
    if isinstance(value, BaseModel):
        return [
            row
            for key in type(value).model_fields
            for row in _rows(document, prefix, (*place, key), getattr(value, key))
        ]
    if isinstance(value, dict) and value:
        return [row for key, inner in value.items() for row in _rows(document, prefix, (*place, key), inner)]
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return [row for index, item in enumerate(value) for row in _rows(document, prefix, (*place, index), item)]
    origin = document.at(place) if document and place in document.lines else _BUILT_IN
    return [Shown(".".join(str(part) for part in (*prefix, *place)), value, origin)]


def _fingerprint() -> tuple[files.Stamp, ...]:
    found = files.stamps("config", "*.yaml")
    stray = [(name, path) for name, path, *_ in found if name != _MAIN and name not in _SECTIONS]
    if stray:
        name, path = stray[0]
        known = [_MAIN, *_SECTIONS]
        close = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"{files.shown(Path(path))}: no such configuration file is known",
            cure=f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}",
        )
    return found


@lru_cache(maxsize=8)
def _load(fingerprint: tuple[files.Stamp, ...]) -> Settings:
    documents = {name: read(Path(path)) for name, path, *_ in fingerprint}
    for document in documents.values():
        if document.is_disabled:
            raise document.error(
                ("disabled",),
                "a settings file cannot be switched off",
                cure="remove the file to go back to the defaults",
            )
    main = validate(documents[_MAIN], General) if _MAIN in documents else General()
    sections = {
        name: validate(documents[file], Settings.model_fields[name].annotation)  # type: ignore[arg-type]
        for file, name in _SECTIONS.items()
        if file in documents
    }
    return Settings(**{key: getattr(main, key) for key in General.model_fields}, **sections)
