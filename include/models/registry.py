"""Load the SQL models, one folder per table under ``sql/``, without a database.

``sql/<layer>/<table>/`` holds ``query.sql`` (one SELECT), ``metadata.yaml`` and, optionally, ``checks.sql``. A file of
the same name in the overlay's ``sql/`` wins. The build order follows from the tables that the queries read. Some
queries are generated from definitions: ``marts.kpi_value`` from ``sql/metrics``, ``marts.health_peer`` and
``marts.health_score`` from ``sql/health``, ``marts.account_value_part`` from ``sql/value``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Protocol

from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document, Strict, read, validate
from include.models import sql_files, sql_parser
from include.models.metadata import Metadata
from include.models.sql_files import LAYERS, NAME, NAMING, Check, Node

# All files below sql/ that define models and metrics.
FILES = ("owners.yaml", "metrics/*.yaml", "health/*.yaml", "value/*.yaml", *(f"{layer}/*/*" for layer in LAYERS))
_DISABLED = re.compile(r"^disabled:\s*true\s*(#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Model(Node):
    """A model with its metadata and checks."""

    metadata: Metadata
    checks: tuple[Check, ...]

    @property
    def is_view(self) -> bool:
        return self.metadata.materialisation == "view"

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """The entities whose raw tables it reads directly."""
        return tuple(sorted({table.split("__")[1] for table in self.raw}))


class Owner(Strict):
    """An owner of tables."""

    name: str
    email: str


class _Owners(Strict):
    owners: dict[str, Owner]


def names() -> tuple[str, ...]:
    """Return the names of all models in build order."""
    return _project().order


def edges() -> tuple[tuple[str, str], ...]:
    """Return sorted pairs (upstream model, downstream model)."""
    nodes = _project().nodes
    return tuple(sorted((read_one, node.name) for node in nodes.values() for read_one in node.models))


def selected(name: str) -> tuple[str, ...]:
    """Return the columns that a model's query selects; () if there is no such model.

    This reads only that query, so errors in other files or in the model's metadata do not matter.
    """
    project = _project()
    return next((project.node(folder).columns for folder in project.folders if _name_of(folder) == name), ())


def types(name: str) -> dict[str, str]:
    """Return the column types of a model from its metadata alone; empty if there is no such model."""
    folders = _project().folders
    found = next((inside for folder, inside in folders.items() if _name_of(folder) == name), None)
    if found is None:
        return {}
    return {column: each.type for column, each in validate(read(found["metadata.yaml"]), Metadata).columns.items()}


def load() -> dict[str, Model]:
    """Return all models by name, in build order, with validated metadata.

    Raises:
        ConfigError: A file is wrong. The message names file and line.
    """
    return _project().models


def get(name: str) -> Model:
    """Return a model.

    Raises:
        ConfigError: It does not exist.
    """
    if (found := load().get(name)) is None:
        raise _unknown(name)
    return found


def owners() -> dict[str, Owner]:
    """Return the owners of tables by name."""
    if (path := files.find("sql", "owners.yaml")) is None:
        raise ConfigError("sql/owners.yaml is missing", cure="restore it")
    return validate(read(path), _Owners).owners


def parents(name: str) -> tuple[str, ...]:
    """Return a model's direct upstreams: ``raw.<entity>``, ``meta.<setting>`` and models.

    A view is replaced by its own upstreams.
    """
    if (found := _project().parents.get(name)) is None:
        raise _unknown(name)
    return found


def lineage(name: str) -> tuple[str, ...]:
    """Return a model and all its upstreams, nearest first: see ``parents``."""
    known = _project().parents
    if name not in known:
        raise _unknown(name)
    found: dict[str, None] = {name: None}
    for each in (pending := [name]):
        new = [parent for parent in known.get(each, ()) if parent not in found]
        found |= dict.fromkeys(new)
        pending += new
    return tuple(found)


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"unknown SQL model {name}", cure=f"known: {', '.join(names())}")


class _Project:
    """The project's files, parsed on first use, so that a wrong file only breaks what needs it."""

    def __init__(self, found: dict[str, Path]) -> None:
        self._found = found

    @cached_property
    def folders(self) -> dict[str, dict[str, Path]]:
        """Folder below sql/ -> file name -> file in force, without disabled folders."""
        generated = _generators()
        folders: dict[str, dict[str, Path]] = {}
        for name, path in self._found.items():
            folder, _, file = name.rpartition("/")
            if "/" in folder and path.suffix in (".sql", ".yaml"):
                folders.setdefault(folder, {})[file] = path
        for folder, inside in list(folders.items()):
            if folder in generated and "query.sql" in inside:
                where = files.shown(inside["query.sql"])
                raise ConfigError(
                    f"{where}: this query is generated from {generated[folder].SOURCE}", cure="remove the file"
                )
            for needed in ("metadata.yaml",) if folder in generated else ("query.sql", "metadata.yaml"):
                if needed not in inside:
                    where = files.shown(next(iter(inside.values())).parent)
                    raise ConfigError(f"{where}: {needed} is missing", cure=f"write {folder}/{needed}")
            if _DISABLED.search(inside["metadata.yaml"].read_text(encoding="utf-8")):
                del folders[folder]
        return folders

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Name -> model, from its query alone."""
        nodes: dict[str, Node] = {}
        for folder in self.folders:
            if not NAME.fullmatch(folder.partition("/")[2]):
                raise ConfigError(f"{folder}: not a valid table name", cure=NAMING)
            node = self.node(folder)
            if node.name in nodes:
                where = files.shown(node.path)
                raise ConfigError(f"{where}: {node.name} is defined twice", cure="rename one of the folders")
            nodes[node.name] = node
        for node in nodes.values():
            for parent in node.models:
                if parent not in nodes:
                    message = f"reads {parent}, which does not exist or is disabled"
                    raise sql_files.at(node.path, parent, message)
        sql_parser.save_cache()
        return nodes

    def node(self, folder: str) -> Node:
        """Return the model of one folder. Errors in other folders do not matter."""
        inside = self.folders[folder]
        if generator := _generators().get(folder):
            return sql_files.node(_name_of(folder), inside["metadata.yaml"], generator.text())
        path = inside["query.sql"]
        return sql_files.node(_name_of(folder), path, path.read_text(encoding="utf-8"))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The names in build order."""
        try:
            sorter = TopologicalSorter({node.name: node.models for node in self.nodes.values()})
            return tuple(sorter.static_order())
        except CycleError as error:
            cycle = error.args[1]
            message = f"circular dependency between tables: {' -> '.join(cycle)}"
            raise sql_files.at(self.nodes[cycle[0]].path, cycle[1], message) from None

    @cached_property
    def models(self) -> dict[str, Model]:
        """Name -> model with validated metadata, in build order."""
        known_owners = owners()
        models: dict[str, Model] = {}
        for name in self.order:
            node = self.nodes[name]
            inside = self.folders[node.folder]
            document = read(inside["metadata.yaml"])
            metadata = validate(document, Metadata)
            _compare(node, metadata, document)
            for each in metadata.among:
                if models[each].is_view or "account_key" not in models[each].columns:
                    raise document.error(("among",), f"{each} is not a table by account")
            if metadata.owner not in known_owners:
                raise document.error(("owner",), f"{metadata.owner} is not in sql/owners.yaml", cure="add it there")
            checks = sql_files.checks(inside["checks.sql"]) if "checks.sql" in inside else ()
            models[name] = Model(**vars(node), metadata=metadata, checks=checks)
        sql_parser.save_cache()
        return models

    @cached_property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """Name -> direct upstreams."""
        parents: dict[str, tuple[str, ...]] = {}
        for name, model in self.models.items():
            found = dict.fromkeys([*(f"raw.{entity}" for entity in model.entities), *model.settings])
            for parent in model.models:
                found |= dict.fromkeys(parents[parent] if self.models[parent].is_view else (parent,))
            parents[name] = tuple(found)
        return parents


@files.cached_for("sql", *FILES)
def _project(found: dict[str, Path]) -> _Project:
    return _Project(found)


class _Generator(Protocol):
    """Generates a query from the definitions in ``SOURCE``."""

    SOURCE: str

    def text(self) -> str:
        """Return the query."""


def _generators() -> dict[str, _Generator]:
    """Return folder -> generator of its query."""
    from include.models import health_peer_query, health_query, kpi_query, value_query

    return {each.FOLDER: each for each in (kpi_query, health_peer_query, health_query, value_query)}


def _name_of(folder: str) -> str:
    layer, _, table = folder.partition("/")
    return f"{LAYERS[layer]}.{table}"


def _compare(node: Node, metadata: Metadata, document: Document) -> None:
    """Check that the metadata describes the query's columns, in order, and names only tables it reads."""
    written, described = list(node.columns), list(metadata.columns)
    for column in written:
        if column not in metadata.columns:
            raise document.error(("columns",), f"{files.shown(node.path)} selects {column}, which is not described")
    for column in described:
        if column not in written:
            raise document.error(("columns", column), f"is described, but {files.shown(node.path)} does not select it")
    if written != described:
        raise document.error(("columns",), f"must be in the order of {files.shown(node.path)}: {', '.join(written)}")
    read_ones = {*node.models, *(f"raw.{table}" for table in node.raw)}
    for key, named in (("look_back", metadata.look_back), ("among", metadata.among)):
        for parent in set(named) - read_ones:
            raise document.error((key,), f"{parent} is not read by {files.shown(node.path)}")
    if metadata.materialisation == "view" and node.facts.parameters:
        raise document.error(("materialisation",), "a view cannot have parameters", cure="make it a table")
