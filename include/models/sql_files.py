"""Read a model's SQL files, its query and its checks, without a database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from include.common.errors import ConfigError
from include.config import files
from include.models import sql_parser
from include.models.sql_parser import Facts

# Folder under sql/ -> schema of its tables.
LAYERS = {"staging": "staging", "core": "core", "marts": "marts", "actions": "marts"}
BUILT = tuple(dict.fromkeys(LAYERS.values()))
_CHECK = re.compile(r"^--\s*(fail|warn):\s*([a-z][a-z0-9_]*):\s*(\S.*)$")
# Names are pasted into SQL. Quotes in a name could end its quoting, and a folder can have any name.
NAME, NAMING = re.compile(r"[a-z_][a-z0-9_]{0,62}"), "use only lower-case letters, digits and _"
# Settings and answers that models read as tables of ``meta``. A change in one propagates to its downstream models.
SETTINGS = (
    "account_brand", "closed_day", "discount_request", "exclusion", "feature", "forecast_category", "grace_days",
    "health_override", "health_pulse", "lead_standard", "plan_rate", "scored_feature", "shared_domain",
    "sla_target", "source", "tier_policy", "urgent_limit",
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """A query that selects the rows that break a rule.

    Args:
        name: Unique in its table.
        severity: ``fail`` rolls the table back and fails the build; ``warn`` is recorded.
        meaning: What such rows mean.
        query: The SELECT.
    """

    name: str
    severity: Literal["fail", "warn"]
    meaning: str
    query: str


@dataclass(frozen=True)
class Node:
    """A model, from its query alone.

    Args:
        name: ``schema.table``.
        query: The SELECT, as written.
        models: The models it reads, sorted.
        raw: The raw tables it reads, without schema, sorted.
        settings: The settings tables it reads, sorted.
        facts: The parsed facts of its query.
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
        return self.facts.columns

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        return self.name.partition(".")[2]

    @property
    def folder(self) -> str:
        """Its folder below ``sql/``."""
        return f"{self.path.parent.parent.name}/{self.path.parent.name}"


def node(name: str, path: Path, text: str) -> Node:
    """Parse a model from its query.

    Raises:
        ConfigError: The query is not one SELECT of tables that a model may read. The message names file and line.
    """
    query = text.strip().rstrip(";")
    facts = _parse(path, query, 0)
    if wrong := next((column for column in facts.columns if not NAME.fullmatch(column)), None):
        raise at(path, wrong, f"selects a column {wrong!r}", cure=NAMING)
    models: set[str] = set()
    raw: set[str] = set()
    settings: set[str] = set()
    for schema, table in facts.tables:
        if not schema:
            if table not in facts.with_names:
                raise at(path, table, f"reads {table}, which is not a CTE", cure="write schema.table")
        elif schema == "raw":
            raw.add(table)
        elif schema in BUILT:
            models.add(f"{schema}.{table}")
        elif schema == "meta" and table in SETTINGS:
            settings.add(f"meta.{table}")
        elif schema not in ("meta", "quarantine", "ops"):
            raise at(path, f"{schema}.{table}", f"reads {schema}.{table}, which models may not read")
    return Node(name, query, path, tuple(sorted(models)), tuple(sorted(raw)), tuple(sorted(settings)), facts)


def _parse(path: Path, query: str, first_line: int) -> Facts:
    try:
        return sql_parser.of(query)
    except sql_parser.NotOneSelect:
        where = f"{files.shown(path)}:{first_line + 1}"
        raise ConfigError(f"{where}: must be exactly one SELECT", cure="split or fix it") from None
    except sql_parser.NotAllowed as error:
        raise ConfigError(f"{files.shown(path)}:{first_line + 1}: {error}", cure="leave it out") from None
    except sql_parser.NotValid as error:
        near = f" near {error.near!r}" if error.near else ""
        raise ConfigError(
            f"{files.shown(path)}:{first_line + error.line}: not valid SQL: {error}{near}", cure="correct that line"
        ) from None


@files.cached
def checks(path: Path) -> tuple[Check, ...]:
    """Read a ``checks.sql``: blocks that start with ``-- fail: name: meaning`` or ``-- warn: name: meaning``.

    Raises:
        ConfigError: The file is wrong. The message names file and line.
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
                f"{files.shown(path)}:{number}: SQL before the first check",
                cure="start each check with `-- fail: name: meaning` or `-- warn: name: meaning`",
            )
    found: list[Check] = []
    for number, head, lines in blocks:
        query = "\n".join(lines).strip().rstrip(";")
        _parse(path, query, number)
        if head[2] in {check.name for check in found}:
            raise ConfigError(f"{files.shown(path)}:{number}: {head[2]} is defined twice", cure="rename one")
        found.append(Check(head[2], "fail" if head[1] == "fail" else "warn", head[3], query))
    return tuple(found)


def at(path: Path, word: str, message: str, *, cure: str = "correct the query or add the folder") -> ConfigError:
    """Return an error at the first line of a file that contains a word."""
    text = path.read_text(encoding="utf-8").splitlines()
    line = next((number for number, content in enumerate(text, start=1) if word in content), 1)
    return ConfigError(f"{files.shown(path)}:{line}: {message}", cure=cure)
