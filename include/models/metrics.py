"""The metric registry: ``sql/metrics/*.yaml`` define every metric.

A file holds the metrics that are computed from one table of sums, with their shared settings. A file of the same name
in the overlay's ``sql/metrics/`` wins. The query of ``marts.kpi_value`` is generated from the registry (``kpi_query``),
so that each definition is in one place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import orjson
from pydantic import AfterValidator, Field, model_validator

from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document, Strict, parse_all
from include.entities.catalog import ENTITIES
from include.models import registry as models
from include.models.metadata import Sensitivity

Period = Literal["day", "week", "month", "quarter"]
# How a value is computed from its sums.
#   share   numerator / denominator, a part of a whole: between 0 and 1
#   ratio   any other numerator / denominator
#   amount  the numerator itself
#   median  a value that cannot be computed from sums; numerator and denominator still hold sum and count
Kind = Literal["share", "ratio", "amount", "median"]
Unit = Literal["share", "ratio", "currency", "count", "minutes", "days", "hours", "points"]
_EXPRESSION = re.compile(r"^[a-z0-9_ +\-*/().]+$")
COLUMN = re.compile(r"[a-z_][a-z0-9_]*")
_Columns = Callable[[str], tuple[str, ...]]


def _expression(text: str) -> str:
    if text and not _EXPRESSION.match(text):
        raise ValueError("may only contain columns, numbers and + - * / ( )")
    return text


def _need(name: str) -> str:
    entity, _, column = name.partition(".")
    if entity != TASK and entity not in ENTITIES:
        raise ValueError(f"unknown entity {entity}")
    if column and column not in ENTITIES[entity].column_names:
        raise ValueError(f"{entity} has no column {column}")
    return name


Expression = Annotated[str, AfterValidator(_expression)]
# An entity, or one column of it: ``contract_line.paused_on``.
Need = Annotated[str, AfterValidator(_need)]
# Not an entity of a source: tasks that Perennial wrote, as read back from the CRM.
TASK = "task"


class Rows(Strict):
    """Where to find the rows behind a value.

    Args:
        table: A table by account.
        day: Its day column.
        to: With ``at: open``, the column with the end day.
        at: ``end``: rows of the period's last day; ``period``: of all its days; ``trailing``: of its last 28 days;
            ``until``: of all days up to its last; ``open``: of those, rows that had not ended by then.
        having: Only rows with a value in this column: a number above 0, true, or any text or day.
        columns: The columns to show.
    """

    table: str
    day: str = "day"
    to: str = ""
    at: Literal["end", "period", "trailing", "until", "open"] = "end"
    having: str = ""
    columns: Annotated[tuple[str, ...], Field(min_length=1)]


class Target(Strict):
    """The target of a metric for one length of period: at least, at most, or both."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> Target:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a target needs at_least or at_most")
        return self

    def is_met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        parts = [(">=", self.at_least), ("<=", self.at_most)]
        return " and ".join(f"{sign} {bound:g}" for sign, bound in parts if bound is not None)


class Definition(Strict):
    """How a version of a metric is computed from its table's columns.

    Args:
        kind: How the value is computed from the sums.
        numerator: An expression over columns.
        denominator: Likewise; empty for amounts.
        value: For a median: the column with the value.
        n: Number of accounts, renewals or tickets behind it.
        coverage: Share of them with all inputs known.
    """

    kind: Kind = "share"
    numerator: Expression
    denominator: Expression = ""
    value: Expression = ""
    n: Expression
    coverage: Expression = "1"

    @model_validator(mode="after")
    def _check_kind(self) -> Definition:
        if self.kind in ("share", "ratio", "median") and not self.denominator:
            raise ValueError(f"a {self.kind} needs a denominator")
        if (self.kind == "median") != bool(self.value):
            raise ValueError("value is required for the kind median, and only for it")
        return self

    @property
    def columns(self) -> set[str]:
        """The columns it names."""
        return set(COLUMN.findall(" ".join((self.numerator, self.denominator, self.value, self.n, self.coverage))))


class _Entry(Definition):
    title: str
    level: Literal["core", "second", "third"]
    parent: str = ""
    formula: Annotated[str, Field(min_length=5)]
    unit: Unit
    direction: Literal["up", "down", "none"] = "up"
    owner: str = ""
    target: dict[Period, Target] = Field(default={})
    version: Annotated[int, Field(ge=1)] = 1
    earlier: dict[int, Definition] = Field(default={})
    sensitivity: Sensitivity = "internal"
    needs: tuple[Need, ...] = ()
    rows: Rows | None = None
    frozen: bool = False

    @model_validator(mode="after")
    def _check_parent(self) -> _Entry:
        if (self.level == "core") != (not self.parent):
            raise ValueError("all metrics except those of level core need a parent")
        if any(number >= self.version for number in self.earlier):
            raise ValueError("earlier may only contain versions below the current one")
        return self


class _File(Strict):
    table: str
    owner: str
    needs: Annotated[tuple[Need, ...], Field(min_length=1)]
    rows: Rows
    grains: tuple[str, ...] = ("all", "tier", "csm", "industry", "region")
    periods: tuple[Period, ...] = get_args(Period)
    metrics: Annotated[dict[str, _Entry], Field(min_length=1)]


@dataclass(frozen=True)
class Metric:
    """A metric.

    Args:
        table: The table of sums that it is computed from.
        entry: Its entry in the registry.
        owner: The person notified when it misses its target, a name of ``sql/owners.yaml``.
        needs: Entities, or their columns as ``entity.column``, without which it is not available.
        rows: Where to find the rows behind it.
        grains: The grains it is computed for.
        periods: The lengths of period it is computed for.
        place: ``file:line`` of its entry.
    """

    id: str
    table: str
    entry: _Entry
    owner: str
    needs: tuple[str, ...]
    rows: Rows
    grains: tuple[str, ...]
    periods: tuple[Period, ...]
    place: str

    @property
    def definitions(self) -> dict[int, Definition]:
        """Version -> definition. All versions are computed next to each other."""
        return {**self.entry.earlier, self.entry.version: self.entry}

    def hash(self, version: int) -> str:
        """Return a short hash of a version's definition. Titles and other texts do not count."""
        one = self.definitions[version]
        parts = [self.table, *(getattr(one, name) for name in Definition.model_fields)]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]


@files.cached_for("sql", *models.FILES)
def load(seen: dict[str, Path]) -> dict[str, Metric]:
    """Return all metrics by id, parents before children.

    Raises:
        ConfigError: A file is wrong. The message names file and line.
    """
    found: dict[str, Metric] = {}
    documents: dict[str, Document] = {}
    # Each call checks the folders for changes: once per table, not once per metric.
    columns_of, owners = cache(models.selected), models.owners()
    paths = [path for name, path in seen.items() if name.startswith("metrics/")]
    for document, content in parse_all(paths, _File):
        _known_table(document, ("table",), content.table, columns_of)
        for metric_id, entry in content.metrics.items():
            if metric_id in found:
                raise document.error(("metrics", metric_id), f"is defined twice, first at {found[metric_id].place}")
            _check_columns(document, metric_id, content.table, entry, columns_of(content.table))
            owner = entry.owner or content.owner
            if owner not in owners:
                raise document.error(("metrics", metric_id), f"owner {owner} is not in sql/owners.yaml")
            rows = entry.rows or content.rows
            _known_table(document, ("metrics", metric_id, "rows"), rows.table, columns_of)
            for column in {rows.day, rows.to, rows.having, *rows.columns} - {"", *columns_of(rows.table)}:
                raise document.error(("metrics", metric_id), f"{rows.table} has no column {column}")
            place = document.at(("metrics", metric_id))
            documents[metric_id] = document
            for period in set(entry.target) - set(content.periods):
                raise document.error(("metrics", metric_id, "target", period), f"{metric_id} has no period {period}")
            found[metric_id] = Metric(
                id=metric_id,
                table=content.table,
                entry=entry,
                owner=owner,
                needs=entry.needs or content.needs,
                rows=rows,
                grains=content.grains,
                periods=content.periods,
                place=place,
            )
    return _in_order(found, documents)


def get(metric_id: str) -> Metric:
    """Return a metric.

    Raises:
        ConfigError: It does not exist.
    """
    import difflib

    known = load()
    if metric_id not in known:
        close = difflib.get_close_matches(metric_id, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "`python -m include.cli metrics` lists them"
        raise ConfigError(f"unknown metric {metric_id}", cure=hint)
    return known[metric_id]


def branch(metric_id: str) -> tuple[str, ...]:
    """Return a metric and its descendants in the tree, each after its parent."""
    known = load()
    found = [metric_id]
    for parent in found:
        found += [each.id for each in known.values() if each.entry.parent == parent]
    return tuple(found)


def _known_table(document: Document, place: tuple[Any, ...], table: str, columns_of: _Columns) -> None:
    if not columns_of(table):
        raise document.error(place, f"unknown table {table}", cure="correct it, or add the folder")


def _check_columns(document: Document, metric_id: str, table: str, entry: _Entry, described: tuple[str, ...]) -> None:
    for definition in (entry, *entry.earlier.values()):
        unknown = sorted(definition.columns - set(described))
        if unknown:
            raise document.error(
                ("metrics", metric_id),
                f"{table} has no column {unknown[0]}",
                cure=f"its columns: {', '.join(described)}",
            )


def _in_order(found: dict[str, Metric], documents: dict[str, Document]) -> dict[str, Metric]:
    """Return the metrics with every parent before its children.

    Raises:
        ConfigError: A parent does not exist, or is not of a higher level.
    """
    levels = {"core": 0, "second": 1, "third": 2}
    for metric in found.values():
        parent = metric.entry.parent
        if parent and parent not in found:
            raise documents[metric.id].error(("metrics", metric.id, "parent"), f"unknown metric {parent}")
        if parent and levels[found[parent].entry.level] >= levels[metric.entry.level]:
            raise documents[metric.id].error(
                ("metrics", metric.id, "parent"), f"{parent} is not of a higher level", cure="core, second, third"
            )
    return dict(sorted(found.items(), key=lambda item: levels[item[1].entry.level]))
