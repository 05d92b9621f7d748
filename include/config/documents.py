"""Read YAML with line numbers, and validate it with errors that name file and line."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.common.errors import ConfigError
from include.config.files import cached, shown

Place = tuple[Hashable, ...]
Model = TypeVar("Model", bound=BaseModel)
Checked = TypeVar("Checked")
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Strict(BaseModel):
    """Base of all settings models: frozen, and unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Args:
        data: Its content.
        lines: Path of a key or list item, such as ``("email", "fallback")`` -> its line.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[Place, int]

    @property
    def is_disabled(self) -> bool:
        """Whether the file says ``disabled: true``, which switches off the signal or playbook in it."""
        return self.data.get("disabled") is True

    def at(self, place: Place) -> str:
        """Return ``file:line`` of a key, or of its nearest ancestor with a known line."""
        for end in range(len(place), -1, -1):
            if place[:end] in self.lines:
                return f"{shown(self.path)}:{self.lines[place[:end]]}"
        return f"{shown(self.path)}:1"

    def error(self, place: Place, message: str, *, cure: str = "") -> ConfigError:
        """Return an error that names the file, line and key."""
        name = ".".join(str(part) for part in place)
        return ConfigError(f"{self.at(place)}: {f'{name}: ' if name else ''}{message}", cure=cure)

    def check(self, place: Place, check: Callable[..., Checked], *arguments: Any) -> Checked:
        """Run a check on part of the file and return its result.

        Raises:
            ConfigError: The check raised a ValueError. The message names file and line.
        """
        try:
            return check(*arguments)
        except ValueError as error:
            raise self.error(place, str(error), cure="correct that part of the file") from None


# With libyaml, parsing takes a fraction of the time.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """YAML without its surprises: `no` is a word, not False, and 12:30 is not a number of seconds."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":int"))]
    for first, resolvers in _Safe.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789"))


@cached
def read(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, is not a mapping at the top level, or repeats a key.
    """
    name = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} cannot be read: {error}", cure="make it a readable UTF-8 text file") from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(path, {}, {})
        lines: dict[Place, int] = {}
        _note_lines(loader, node, (), lines, name)
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{name}:{line}: not valid YAML: {error.problem}", cure="correct that line") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: not valid YAML: {error}", cure="correct the file") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{name}:1: must be a mapping of keys to values", cure="write `key: value` lines")
    return Document(path, data, lines)


def _note_lines(loader: _Loader, node: yaml.Node, place: Place, lines: dict[Place, int], name: str) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(loader, item, (*place, index), lines, name)
    if not isinstance(node, yaml.MappingNode):
        return
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        line = key_node.start_mark.line + 1
        inner = (*place, key)
        if inner in lines:
            raise ConfigError(
                f"{name}:{line}: {'.'.join(map(str, inner))} is set twice, first on line {lines[inner]}",
                cure="keep one of the two",
            )
        lines[inner] = line
        _note_lines(loader, value_node, inner, lines, name)


def validate(document: Document, model: type[Model]) -> Model:
    """Validate a document against a model.

    Raises:
        ConfigError: A value is wrong. The message names file, line and key, and suggests the key that was probably
            meant.
    """
    data = {key: value for key, value in document.data.items() if key != "disabled"}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key often also leaves a required key missing. Report the misspelt one first.
        found = sorted(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
        first, *others = [_problem(document, model, item) for item in found]
        more = f" (and {len(others)} more: {'; '.join(str(other.message) for other in others[:4])})" if others else ""
        raise ConfigError(first.message + more, cure=first.cure) from None


def parse(path: Path, model: type[Model]) -> Model:
    """Read and validate one file."""
    return validate(read(path), model)


def parse_all(paths: Iterable[Path], model: type[Model]) -> Iterator[tuple[Document, Model]]:
    """Read and validate files, without those that have ``disabled: true``."""
    for document in map(read, paths):
        if not document.is_disabled:
            yield document, validate(document, model)


def _problem(document: Document, model: type[BaseModel], item: Any) -> ConfigError:
    place = tuple(item["loc"])
    if item["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, place[:-1]))
        close = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.6)
        cure = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
        return document.error(place, "unknown key", cure=cure)
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item.get("input")
    if item["type"] != "missing" and isinstance(given, (str, int, float, bool)):
        message += f" (got {given!r})"
    return document.error(place, message, cure="correct that line")


def _fields_at(kind: Any, place: Place) -> set[str]:
    """Return the keys that the model accepts at a path, through lists and mappings."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return set().union(*(_fields_at(part, place) for part in get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not place:
            return set(kind.model_fields)
        inner = kind.model_fields.get(str(place[0]))
        return _fields_at(inner.annotation, place[1:]) if inner else set()
    if place and get_args(kind):
        return _fields_at(get_args(kind)[-1] if get_origin(kind) is dict else get_args(kind)[0], place[1:])
    return set()
