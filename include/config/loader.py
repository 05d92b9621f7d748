"""Load all settings into one frozen object, and show where each came from."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from include.common import clock
from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document, read, validate
from include.config.models import General, Settings, Usage
from include.config.person import Person
from include.config.renewals import CONTRACT_WAYS, Renewals

_MAIN = "settings.yaml"
# Every other file fills the field of its name.
_SECTIONS: dict[str, tuple[str, type[BaseModel]]] = {
    f"{name}.yaml": (name, field.annotation)
    for name, field in Settings.model_fields.items()
    if name not in General.model_fields and isinstance(field.annotation, type)
}
_BUILT_IN = "built in"


@dataclass(frozen=True)
class Shown:
    """A setting as ``config show`` lists it.

    Args:
        key: Its file and path, such as ``renewals.late_by_days``.
        origin: ``file:line``, or "built in" for defaults of list items.
    """

    key: str
    value: object
    origin: str


def today() -> date:
    """Return the day in the reporting time zone, which builds use too."""
    return clock.day_in(load().reporting_zone)


@files.cached_for("config", "*.yaml")
def load(found: dict[str, Path]) -> Settings:
    """Return the settings in force. They are reloaded when a file changes.

    Raises:
        ConfigError: A file is wrong. The message names file, line and key.
    """
    stray = sorted(set(found) - {_MAIN, *_SECTIONS})
    if stray:
        known = [_MAIN, *_SECTIONS]
        close = difflib.get_close_matches(stray[0], known, n=1)
        raise ConfigError(
            f"{files.shown(found[stray[0]])}: unknown configuration file",
            cure=f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}",
        )
    main = validate(_in_force(_MAIN, General), General)
    sections: dict[str, Any] = {
        name: validate(_in_force(file, model), model) for file, (name, model) in _SECTIONS.items()
    }
    settings = Settings(**{key: getattr(main, key) for key in General.model_fields}, **sections)
    crms = [source.id for source in settings.of_kind("crm")]
    if stray := [one for one in settings.renewals.contract_ways if one not in (*CONTRACT_WAYS, *crms)]:
        raise _in_force("renewals.yaml", Renewals).error(
            ("contract_ways",),
            f"names {stray[0]}, which is neither a built-in origin of contracts nor a source of kind crm",
            cure=f"built in: {', '.join(CONTRACT_WAYS)}; sources: {', '.join(crms)}",
        )
    planned = settings.tracking_plan.events
    for key in ("value_events", "key_features"):
        if planned and (stray := sorted(set(getattr(settings.usage, key)) - set(planned))):
            raise _in_force("usage.yaml", Usage).error(
                (key,), f"names {stray[0]}, which tracking_plan.yaml does not list", cure="add it there, with an owner"
            )
    return settings


def _in_force(name: str, model: type[BaseModel]) -> Document:
    """Return a settings file, with the shipped values of the keys that the overlay's file omits."""
    shipped = read(files.shipped("config", name))
    document = read(files.find("config", name) or shipped.path)
    if document.is_disabled:
        cure = "remove the file to go back to the defaults"
        raise document.error(("disabled",), "a settings file cannot be switched off", cure=cure)
    if document.path == shipped.path:
        return document
    return Document(document.path, _completed(model, document.data, shipped.data), document.lines)


def _completed(model: type[BaseModel], own: dict[str, Any], shipped: dict[str, Any]) -> dict[str, Any]:
    """Merge an overlay file over the shipped one, key by key. A list, mapping or person is replaced as a whole.

    A shipped mapping's ``default`` entry stays unless the overlay sets it.
    """
    made = {**shipped, **own}
    for key in own.keys() & shipped.keys() & model.model_fields.keys():
        theirs, ours = shipped[key], own[key]
        kind = model.model_fields[key].annotation
        if isinstance(theirs, dict) and isinstance(ours, dict):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, Person):
                made[key] = _completed(kind, ours, theirs)
            elif "default" in theirs:
                made[key] = {"default": theirs["default"], **ours}
    return made


def config_hash() -> str:
    """Return a short hash of all configuration files in force. Comments and layout do not change it."""
    content = {name: read(path).data for name, path in files.listing("config", "**/*.yaml").items()}
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:16]


def show() -> list[Shown]:
    """Return every setting with its value and origin, and every file of the overlay."""
    settings = load()
    rows: list[Shown] = []
    for name, section in (("", _MAIN), *((name, file) for file, (name, _) in _SECTIONS.items())):
        documents = [read(path) for path in (files.find("config", section), files.shipped("config", section)) if path]
        model = getattr(settings, name) if name else settings
        for key in type(model).model_fields:
            if name or key in General.model_fields:
                rows += _rows(documents, (name,) if name else (), (key,), getattr(model, key))
    folders = ("mappings", "contracts", "releases", "competitors", "backfills")
    return rows + [row for folder in folders for row in _listed(folder)] + _overlaid()


def _listed(folder: str) -> list[Shown]:
    """Return the content of the files of a folder, such as column mappings."""
    rows: list[Shown] = []
    for name, path in files.listing("config", f"{folder}/*.yaml").items():
        document = read(path)
        rows += _rows([document], (folder, Path(name).stem), (), document.data)
    return rows


def _overlaid() -> list[Shown]:
    """Return the SQL, playbook and report files of the overlay."""
    above = files.overlay()
    areas: tuple[files.Area, ...] = ("sql", "playbooks", "reports", "locales")
    return [
        Shown(f"{area}/{name}", "own file", files.shown(path))
        for area in areas
        for name, path in files.listing(area, "**/*").items()
        if above and path.is_relative_to(above)
    ]


def _rows(documents: list[Document], prefix: tuple[str, ...], place: tuple, value: Any) -> list[Shown]:
    if isinstance(value, BaseModel):
        return [
            row
            for key in type(value).model_fields
            for row in _rows(documents, prefix, (*place, key), getattr(value, key))
        ]
    if isinstance(value, dict) and value:
        return [row for key, inner in value.items() for row in _rows(documents, prefix, (*place, key), inner)]
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return [row for index, item in enumerate(value) for row in _rows(documents, prefix, (*place, index), item)]
    origin = next((each.at(place) for each in documents if place in each.lines), _BUILT_IN)
    return [Shown(".".join(str(part) for part in (*prefix, *place)), value, origin)]
