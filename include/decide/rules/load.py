"""Load rule files, and check every name that their conditions and texts use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from include.config import expression, files, own_texts, templates
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
    """One opening condition of a rule. All of them must be true.

    Args:
        reason: The reason that is recorded while it is not true.
        text: The condition as written in the file.
        condition: The parsed and checked condition.
        facts: Values for the reason's text that the subject's columns do not contain.
    """

    reason: Reason
    text: str
    condition: Condition
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule(Generic[File]):
    """A loaded and checked rule.

    Args:
        about: The kind of its subjects: renewal, account, contact or former.
        worse: Its condition of high severity; None for never.
        close: Its closing condition; None for none.
        only_if: Step -> its condition, for the steps that have one.
        thresholds: Name -> number. Conditions read them like columns.
        tiers: Tier -> the thresholds that it overrides.
        kinds: The kinds of source it depends on in addition to the CRM. The rule is on hold while one of them is not
            fit.
        is_chosen: Whether it evaluates only subjects that another rule has chosen.
        content: The content of the file, stored for running playbooks.
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
        every = (*(clause.condition for clause in self.open), self.worse, self.close, *self.only_if.values())
        return [condition for condition in every if condition]

    @cached_property
    def columns(self) -> set[str]:
        """The columns and thresholds that its conditions read."""
        return {column for condition in self.conditions for column in condition.columns}

    def with_sources_of(self, used: Iterable[str]) -> Rule[File]:
        """Return a copy whose ``kinds`` are the sources of these columns."""
        kinds = (self.table.kinds.get(column, frozenset()) for column in used)
        return replace(self, kinds=frozenset[str]().union(*kinds))

    def thresholds_of(self, tier: str | None) -> dict[str, float]:
        return thresholds_of(self.thresholds, self.tiers, tier)

    @property
    def version(self) -> str:
        return f"{self.file.name} {self.file.version}"


def thresholds_of(
    thresholds: Mapping[str, float], tiers: Mapping[str, Mapping[str, float]], tier: str | None
) -> dict[str, float]:
    """Return the thresholds of a tier: the defaults, with the tier's overrides."""
    return {**thresholds, **tiers.get((tier or "").lower(), {})}


def rules_in(
    area: files.Area, pattern: str, check: Callable[..., Rule[File]], *arguments: Hashable
) -> dict[str, Rule[File]]:
    """Return the rules in force by name, without those that have ``disabled: true``.

    Args:
        check: Makes a rule of a file.
        arguments: Further arguments of ``check``. A file is checked again only if it, these arguments, the tables or
            the forbidden phrases change.

    Raises:
        ConfigError: A rule is wrong. The error names file, line and key.
    """
    with files.checked_once():
        cache_key = (
            arguments,
            files.edition("sql", *registry.FILES),
            files.edition("locales", "*/*.po"),
            forbidden_phrases.phrases(),
        )
        found = {Path(name).stem: _read(*seen, check, cache_key) for name, *seen in files.fingerprints(area, pattern)}
    return {name: rule for name, rule in found.items() if rule}


@lru_cache(maxsize=512)
def _read(
    path: Path,
    changed_ns: int,
    size: int,
    check: Callable[..., Rule[File]],
    cache_key: tuple[tuple[Hashable, ...], ...],
) -> Rule[File] | None:
    document = read(path)
    return None if document.is_disabled else check(document, *cache_key[0])


def parse(document: Document, schema: type[File]) -> File:
    """Validate a file against its schema. Its ``name`` must match the file name."""
    file = validate(document, schema)
    if file.name != document.path.stem:
        raise document.error(("name",), f"is {file.name!r}, but the file is called {document.path.name}")
    return file


def condition(document: Document, place: Place, text: str, known: Collection[str], prefix: str) -> Condition | None:
    """Return a checked condition of a file; None for an empty one."""
    return document.check(place, expression.on_built, text, known, prefix) if text else None


def _translations(document: Document, texts: Sequence[tuple[Place, str]]) -> Iterator[tuple[Place, str]]:
    """Yield the translations of a file's texts: its own, and those of the overlay. Tests check the shipped ones."""
    templates_in_file = {text for _, text in texts}
    yield from ((place, own) for _, place, english, own in own_texts.pairs(document) if english in templates_in_file)
    above = files.overlay()
    if above and (above / "locales").is_dir():
        yield from ((place, text) for place, english in texts for _, text in own_texts.in_every_language(english))


def check_texts(
    document: Document,
    texts: Sequence[tuple[Place, str]],
    known: Collection[str],
    examples: Collection[Mapping[str, Any]],
    *,
    may_promise: bool = False,
) -> set[str]:
    """Check the templates of a file, and return the names that they use.

    Args:
        texts: Each template with its place in the file.
        known: The names that they may use.
        may_promise: Whether forbidden phrases are allowed.
    """
    used: set[str] = set()
    for place, text in [*texts, *_translations(document, texts)]:
        used |= document.check(place, templates.check, text, known, examples)
        if not may_promise:
            document.check(place, forbidden_phrases.check, text)
    return used
