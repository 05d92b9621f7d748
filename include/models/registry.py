"""The SQL models: a folder per table under ``sql/``, read without a database and without any work to undo.

``sql/<layer>/<table>/`` holds ``query.sql`` (one SELECT), ``metadata.yaml`` and, where there is something to check,
``checks.sql``. A file of the same name in the overlay's ``sql/`` wins. The order of the tables follows from what their
queries read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document, Strict, read, validate
from include.models import sql_parser
from include.models.metadata import Metadata
from include.models.sql_parser import Facts

# Folder under sql/ -> schema of its tables.
LAYERS = {"staging": "staging", "core": "core", "marts": "marts", "actions": "marts"}
BUILT = tuple(dict.fromkeys(LAYERS.values()))
_CHECK = re.compile(r"^--\s*(fail|warn):\s*([a-z][a-z0-9_]*):\s*(\S.*)$")
# Names are pasted into SQL: a quoted one could end its quotes, and a folder can be called anything.
_NAME, _NAMING = re.compile(r"[a-z_][a-z0-9_]{0,62}"), "name it with small letters, digits and _"
_DISABLED = re.compile(r"^disabled:\s*true\s*(#.*)?$", re.MULTILINE)
# The settings that models read as tables of ``meta``: what changes in one reaches the models that read it.
SETTINGS = (
    "exclusion", "feature", "forecast_category", "grace_days", "plan_rate", "shared_domain", "sla_target", "source",
    "urgent_limit",
)  # fmt: skip
_Stamps = tuple[tuple[str, str, int, int], ...]
_held: ContextVar[_Stamps | None] = ContextVar("held", default=None)


@dataclass(frozen=True)
class Check:
    """A query that selects the rows that break a rule.

    Args:
        name: Unique in its table.
        severity: ``fail`` undoes the table's replacement and ends the build, ``warn`` is recorded.
        meaning: What it means when there are such rows.
        query: The SELECT.
    """

    name: str
    severity: Literal["fail", "warn"]
    meaning: str
    query: str


@dataclass(frozen=True)
class Node:
    """One model as far as its query tells.

    Args:
        name: ``schema.table``.
        query: The SELECT, as written.
        path: Its file.
        models: The models it reads, sorted.
        raw: The raw tables it reads, without their schema, sorted.
        settings: The tables of settings it reads, sorted.
        facts: What its query tells of itself.
    """

    name: str
    query: str
    path: Path
    models: tuple[str, ...]
    raw: tuple[str, ...]
    settings: tuple[str, ...]
    facts: Facts

    @property
    def columns(self) -> tuple[str, ...]:
        """What it selects, in order."""
        return self.facts.columns

    @property
    def schema(self) -> str:
        """The schema of its table."""
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        """Its table's name without the schema."""
        return self.name.partition(".")[2]

    @property
    def folder(self) -> str:
        """Its folder below ``sql/``."""
        return f"{self.path.parent.parent.name}/{self.path.parent.name}"


@dataclass(frozen=True)
class Model(Node):
    """One model with its metadata and checks."""

    metadata: Metadata
    checks: tuple[Check, ...]

    @property
    def is_view(self) -> bool:
        """Whether it is kept as a view."""
        return self.metadata.materialisation == "view"

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """The entities whose raw tables it reads itself."""
        return tuple(sorted({table.split("__")[1] for table in self.raw}))


class Owner(Strict):
    """Who answers for tables."""

    name: str
    email: str


class _Owners(Strict):
    owners: dict[str, Owner]


def names() -> tuple[str, ...]:
    """Return the models' names in an order in which they can be built."""
    return _order(fingerprint())


def edges() -> tuple[tuple[str, str], ...]:
    """Return (read model, reading model) pairs, sorted."""
    nodes = _nodes(fingerprint())
    return tuple(sorted((read_one, node.name) for node in nodes.values() for read_one in node.models))


def selected(name: str) -> tuple[str, ...]:
    """Return the columns that a model's query selects; () where there is no such model.

    Reads that one query only: the others, and the model's metadata, may be wrong.
    """
    schema, _, table = name.partition(".")
    for folder, inside in _folders(fingerprint()).items():
        layer, _, own = folder.partition("/")
        if own == table and LAYERS[layer] == schema:
            return _node(name, *_stamped(inside["query.sql"])).columns
    return ()


def load() -> dict[str, Model]:
    """Return all models by name, in the order of ``names()``, with their metadata validated.

    Raises:
        ConfigError: Something in a folder is wrong; names file and line.
    """
    return _load(fingerprint())


def get(name: str) -> Model:
    """Return one model.

    Raises:
        ConfigError: There is none of that name.
    """
    if (found := load().get(name)) is None:
        raise _unknown(name)
    return found


def owners() -> dict[str, Owner]:
    """Return who answers for tables, by the names that metadata uses."""
    if (path := files.find("sql", "owners.yaml")) is None:
        raise ConfigError("sql/owners.yaml is missing", cure="restore it")
    return validate(read(path), _Owners).owners


def parents(name: str) -> tuple[str, ...]:
    """Return what a model is made from: ``raw.<entity>``, ``meta.<setting>`` and models, views by what they read."""
    if (found := _parents(fingerprint()).get(name)) is None:
        raise _unknown(name)
    return found


def lineage(name: str) -> tuple[str, ...]:
    """Return all that a model is made from, itself first and the nearest before the farthest: see ``parents``."""
    known = _parents(fingerprint())
    if name not in known:
        raise _unknown(name)
    found: dict[str, None] = {name: None}
    for each in (pending := [name]):
        new = [parent for parent in known.get(each, ()) if parent not in found]
        found |= dict.fromkeys(new)
        pending += new
    return tuple(found)


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"there is no SQL model {name}", cure=f"known: {', '.join(names())}")


@contextmanager
def held() -> Iterator[None]:
    """Take the files as they are now for as long as it lasts: to look at each of them takes a while."""
    token = _held.set(fingerprint())
    try:
        yield
    finally:
        _held.reset(token)


def fingerprint() -> _Stamps:
    """Return what tells whether any file of a model, or who answers for tables, has changed."""
    return _held.get() or _look()


def _look() -> _Stamps:
    found: list[tuple[str, str, int, int]] = []
    for layer in LAYERS:
        for name, path in files.listing("sql", f"{layer}/*/*").items():
            if path.suffix in (".sql", ".yaml"):
                stat = path.stat()
                found.append((name, str(path), stat.st_mtime_ns, stat.st_size))
    owners_file = files.find("sql", "owners.yaml")
    if owners_file:
        found.append(("owners.yaml", str(owners_file), owners_file.stat().st_mtime_ns, 0))
    return tuple(found)


@lru_cache(maxsize=4)
def _folders(fingerprint: _Stamps) -> dict[str, dict[str, Path]]:
    """Return folder below sql/ -> file name -> file in force; folders that are switched off left out."""
    folders: dict[str, dict[str, Path]] = {}
    for name, path, _, _ in fingerprint:
        folder, _, file = name.rpartition("/")
        if folder:
            folders.setdefault(folder, {})[file] = Path(path)
    for folder, inside in list(folders.items()):
        for needed in ("query.sql", "metadata.yaml"):
            if needed not in inside:
                other = next(iter(inside.values()))
                raise ConfigError(f"{files.shown(other.parent)}: {needed} is missing", cure=f"write {folder}/{needed}")
        if _DISABLED.search(inside["metadata.yaml"].read_text(encoding="utf-8")):
            del folders[folder]
    return folders


@lru_cache(maxsize=4)
def _nodes(fingerprint: _Stamps) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for folder, inside in _folders(fingerprint).items():
        layer, _, table = folder.partition("/")
        if not _NAME.fullmatch(table):
            raise ConfigError(f"{folder}: no table can have this name", cure=_NAMING)
        node = _node(f"{LAYERS[layer]}.{table}", *_stamped(inside["query.sql"]))
        if node.name in nodes:
            raise ConfigError(f"{files.shown(node.path)}: {node.name} is made twice", cure="rename one of the folders")
        nodes[node.name] = node
    for node in nodes.values():
        for parent in node.models:
            if parent not in nodes:
                raise _at(node.path, parent, f"reads {parent}, which no folder makes or which is switched off")
    sql_parser.keep()
    return nodes


@lru_cache(maxsize=4)
def _order(fingerprint: _Stamps) -> tuple[str, ...]:
    nodes = _nodes(fingerprint)
    try:
        return tuple(TopologicalSorter({node.name: node.models for node in nodes.values()}).static_order())
    except CycleError as error:
        circle = error.args[1]
        raise _at(
            nodes[circle[0]].path, circle[1], f"tables read each other in a circle: {' -> '.join(circle)}"
        ) from None


@lru_cache(maxsize=4)
def _parents(fingerprint: _Stamps) -> dict[str, tuple[str, ...]]:
    parents: dict[str, tuple[str, ...]] = {}
    models = _load(fingerprint)
    for name, model in models.items():
        found = dict.fromkeys([*(f"raw.{entity}" for entity in model.entities), *model.settings])
        for parent in model.models:
            found |= dict.fromkeys(parents[parent] if models[parent].is_view else (parent,))
        parents[name] = tuple(found)
    return parents


@lru_cache(maxsize=4)
def _load(fingerprint: _Stamps) -> dict[str, Model]:
    folders = _folders(fingerprint)
    known_owners = owners()
    models: dict[str, Model] = {}
    nodes = _nodes(fingerprint)
    for name in _order(fingerprint):
        node = nodes[name]
        inside = folders[node.folder]
        document, metadata = _metadata(*_stamped(inside["metadata.yaml"]))
        _compare(node, metadata, document)
        for each in metadata.among:
            if models[each].is_view or "account_key" not in models[each].columns:
                raise document.error(("among",), f"{each} is no table by account")
        if metadata.owner not in known_owners:
            raise document.error(("owner",), f"{metadata.owner} is not in sql/owners.yaml", cure="add it there")
        checks = _checks(*_stamped(inside["checks.sql"])) if "checks.sql" in inside else ()
        models[name] = Model(**vars(node), metadata=metadata, checks=checks)
    sql_parser.keep()
    return models


def _stamped(path: Path) -> tuple[Path, int, int]:
    """Return a path with what tells that the file is the one read before."""
    return path, (stat := path.stat()).st_mtime_ns, stat.st_size


@lru_cache(maxsize=1024)
def _metadata(path: Path, changed_ns: int, size: int) -> tuple[Document, Metadata]:
    return (document := read(path)), validate(document, Metadata)


def _compare(node: Node, metadata: Metadata, document: Document) -> None:
    """Refuse metadata that describes other columns, or other reads, than the query has."""
    written, described = list(node.columns), list(metadata.columns)
    for column in written:
        if column not in metadata.columns:
            raise document.error(("columns",), f"{files.shown(node.path)} selects {column}, which is not described")
    for column in described:
        if column not in written:
            raise document.error(("columns", column), f"is described, but {files.shown(node.path)} does not select it")
    if written != described:
        raise document.error(("columns",), f"must stand in the order of {files.shown(node.path)}: {', '.join(written)}")
    read_ones = {*node.models, *(f"raw.{table}" for table in node.raw)}
    for key, named in (("look_back", metadata.look_back), ("among", metadata.among)):
        for parent in set(named) - read_ones:
            raise document.error((key,), f"{parent} is not read by {files.shown(node.path)}")
    if metadata.materialisation == "view" and node.facts.parameters:
        raise document.error(("materialisation",), "a view cannot take parameters", cure="make it a table")


@lru_cache(maxsize=1024)
def _node(name: str, path: Path, changed_ns: int, size: int) -> Node:
    query = path.read_text(encoding="utf-8").strip().rstrip(";")
    facts = _parse(path, query, 0)
    if wrong := next((column for column in facts.columns if not _NAME.fullmatch(column)), None):
        raise _at(path, wrong, f"selects a column {wrong!r}", cure=_NAMING)
    models: set[str] = set()
    raw: set[str] = set()
    settings: set[str] = set()
    for schema, table in facts.tables:
        if not schema:
            if table not in facts.with_names:
                raise _at(path, table, f"reads {table}, which is no CTE", cure="write schema.table")
        elif schema == "raw":
            raw.add(table)
        elif schema in BUILT:
            models.add(f"{schema}.{table}")
        elif schema == "meta" and table in SETTINGS:
            settings.add(f"meta.{table}")
        elif schema not in ("meta", "quarantine", "ops"):
            raise _at(path, f"{schema}.{table}", f"reads {schema}.{table}, which no model may read")
    return Node(name, query, path, tuple(sorted(models)), tuple(sorted(raw)), tuple(sorted(settings)), facts)


def _parse(path: Path, query: str, first_line: int) -> Facts:
    try:
        return sql_parser.of(query)
    except sql_parser.NotOneSelect:
        where = f"{files.shown(path)}:{first_line + 1}"
        raise ConfigError(f"{where}: must be exactly one SELECT", cure="split or correct it") from None
    except sql_parser.NotAllowed as error:
        raise ConfigError(f"{files.shown(path)}:{first_line + 1}: {error}", cure="leave it out") from None
    except sql_parser.NotValid as error:
        near = f" near {error.near!r}" if error.near else ""
        raise ConfigError(
            f"{files.shown(path)}:{first_line + error.line}: not valid SQL: {error}{near}", cure="correct that line"
        ) from None


@lru_cache(maxsize=1024)
def _checks(path: Path, changed_ns: int, size: int) -> tuple[Check, ...]:
    """Read a ``checks.sql``: blocks that start with ``-- fail: name: what it means`` or ``-- warn: ...``.

    Raises:
        ConfigError: Names file and line.
    """
    blocks: list[tuple[int, re.Match[str], list[str]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        head = _CHECK.match(line)
        if head:
            blocks.append((number, head, []))
        elif blocks:
            blocks[-1][2].append(line)
        elif line.strip() and not line.startswith("--"):
            raise ConfigError(
                f"{files.shown(path)}:{number}: stands before the first check",
                cure="start each check with `-- fail: name: meaning` or `-- warn: name: meaning`",
            )
    checks: list[Check] = []
    for number, head, lines in blocks:
        query = "\n".join(lines).strip().rstrip(";")
        _parse(path, query, number)
        if head[2] in {check.name for check in checks}:
            raise ConfigError(f"{files.shown(path)}:{number}: {head[2]} is there twice", cure="rename one")
        checks.append(Check(head[2], "fail" if head[1] == "fail" else "warn", head[3], query))
    return tuple(checks)


def _at(path: Path, word: str, message: str, *, cure: str = "correct the query or add the folder") -> ConfigError:
    """Return an error at the first line of a file that says a word."""
    text = path.read_text(encoding="utf-8").splitlines()
    line = next((number for number, content in enumerate(text, start=1) if word in content), 1)
    return ConfigError(f"{files.shown(path)}:{line}: {message}", cure=cure)
