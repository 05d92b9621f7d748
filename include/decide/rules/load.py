"""Reads the files of rules, each checked down to every name that its conditions and texts use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from include.config import expression, files, templates
from include.config.documents import Document, Place, read, validate
from include.config.expression import Condition
from include.decide.rules import forbidden_phrases
from include.decide.rules.reasons import Reason
from include.decide.rules.schema import RuleFile
from include.decide.rules.subjects import Table
from include.models import registry

File = TypeVar("File", bound=RuleFile)


@dataclass(frozen=True)
class Clause:
    """One part of what opens a rule; all parts must be true.

    Args:
        reason: Why nothing opens where it is not true.
        text: What the file says.
        condition: The same, checked.
        facts: What the reason's text needs next to the values.
    """

    reason: Reason
    text: str
    condition: Condition
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule(Generic[File]):
    """A rule that was read and checked.

    Args:
        file: What the file says.
        about: What it is about: renewal, account, contact or former.
        worse: Its condition of high severity; None for never.
        close: Its condition to close; None for none.
        only_if: Step -> its condition, for the steps that have one.
        thresholds: Name -> number, columns to its conditions.
        tiers: Tier -> thresholds that differ for it.
        kinds: The kinds of source it rests on next to the CRM: while one of them is not fit, it rests.
        is_chosen: Whether it looks only at subjects that another rule has chosen.
        content: What the file says, as it is kept for those that run.
    """

    file: File
    about: str
    table: Table
    open: Sequence[Clause] = ()
    worse: Condition | None = None
    close: Condition | None = None
    only_if: Mapping[str, Condition] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    tiers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()
    is_chosen: bool = False
    path: Path = Path()
    content: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def conditions(self) -> list[Condition]:
        """All its conditions."""
        every = (*(clause.condition for clause in self.open), self.worse, self.close, *self.only_if.values())
        return [condition for condition in every if condition]

    @cached_property
    def columns(self) -> set[str]:
        """The columns and thresholds that its conditions read."""
        return {column for condition in self.conditions for column in condition.columns}

    def resting_on(self, used: Iterable[str]) -> Rule[File]:
        """Return the rule with the kinds of source that columns rest on."""
        kinds = (self.table.kinds.get(column, frozenset()) for column in used)
        return replace(self, kinds=frozenset[str]().union(*kinds))

    def thresholds_of(self, tier: str | None) -> dict[str, float]:
        """Return the thresholds that hold for a tier."""
        return thresholds_of(self.thresholds, self.tiers, tier)

    @property
    def version(self) -> str:
        """Its name and version, as a message says it."""
        return f"{self.file.name} {self.file.version}"


def thresholds_of(
    thresholds: Mapping[str, float], tiers: Mapping[str, Mapping[str, float]], tier: str | None
) -> dict[str, float]:
    """Return the thresholds of a tier: those of all, and its own in their place."""
    return {**thresholds, **tiers.get((tier or "").lower(), {})}


def rules_in(
    area: files.Area, pattern: str, check: Callable[..., Rule[File]], *given: Hashable
) -> dict[str, Rule[File]]:
    """Return the rules in force by name; those with ``disabled: true`` are left out.

    Args:
        check: Makes a rule of a file.
        given: What else it is given. A file is checked once for that, and for the tables and phrases that there are.

    Raises:
        ConfigError: One is wrong; names file, line and key.
    """
    with files.held():
        rests_on = (given, files.fingerprints("sql", *registry.FILES), forbidden_phrases.phrases())
        found = {Path(name).stem: _read(*seen, check, rests_on) for name, *seen in files.fingerprints(area, pattern)}
    return {name: rule for name, rule in found.items() if rule}


@lru_cache(maxsize=512)
def _read(
    path: Path, changed_ns: int, size: int, check: Callable[..., Rule[File]], rests_on: tuple[tuple[Hashable, ...], ...]
) -> Rule[File] | None:
    document = read(path)
    return None if document.is_disabled else check(document, *rests_on[0])


def parse(document: Document, schema: type[File]) -> File:
    """Return what a file says; its name must be the file's."""
    file = validate(document, schema)
    if file.name != document.path.stem:
        raise document.error(("name",), f"is {file.name!r}, but the file is called {document.path.name}")
    return file


def condition(document: Document, place: Place, text: str, known: Collection[str], prefix: str) -> Condition | None:
    """Return a condition of a file, checked; None for an empty one."""
    return document.check(place, expression.on_built, text, known, prefix) if text else None


def check_texts(
    document: Document,
    texts: Iterable[tuple[Place, str]],
    known: Collection[str],
    examples: Collection[Mapping[str, Any]],
    *,
    may_promise: bool = False,
) -> set[str]:
    """Check the templates of a file, and return the names that they use.

    Args:
        texts: Each with its place.
        known: The names that they may use.
        may_promise: Whether phrases that promise something are let through.
    """
    used: set[str] = set()
    for place, text in texts:
        used |= document.check(place, templates.check, text, known, examples)
        if not may_promise:
            document.check(place, forbidden_phrases.check, text)
    return used
