"""Read rules, changes of rules and limits from ``config/contracts/<entity>.yaml`` of the configuration folder."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from include.config import files as configuration
from include.config.documents import Document, Strict, read, validate
from include.contracts.limits import Limits
from include.contracts.rule import BATCH, OWNERS, BatchFacts, Expect, Factory, Rule, Severity, none
from include.entities.catalog import ENTITIES, Entity

PATTERN = "contracts/*.yaml"
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{2,60}$")]
Words = Annotated[str, Field(min_length=3, max_length=300)]


class CustomRule(Strict):
    """A rule on rows.

    Args:
        name: The last part of its id.
        holds: The condition that every row must meet, in SQL over the entity's columns. Rows where it is null pass.
        says: The problem with a row that breaks it.
        why: The consequence of a row that breaks it.
        cure: How the owner fixes it.
        severity: ``critical`` sends the row to quarantine.
        owner: The role that fixes it. The default depends on the kind of source.
    """

    name: Name
    holds: str
    says: Words
    why: Words
    cure: Words
    severity: Severity = "critical"
    owner: str = ""


class Change(Strict):
    """A change of a shipped rule.

    Args:
        name: The last part of its id.
        reason: The reason, shown with the rule.
        severity: The new severity.
        owner: The new owner.
        disabled: Whether the rule is switched off.
    """

    name: Name
    reason: Words
    severity: Severity | None = None
    owner: str = ""
    disabled: bool = False


class ContractFile(Strict):
    """A contract file: additions to and changes of the contract of one entity."""

    rules: tuple[CustomRule, ...] = ()
    changes: tuple[Change, ...] = ()
    limits: Limits = Limits()


def limits(entity: str) -> Limits:
    """Return the limits in force for an entity."""
    found = _documents().get(entity)
    return found[1].limits if found else Limits()


def apply(shipped: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return the shipped rules with the additions and changes from files.

    Raises:
        ConfigError: A file is wrong. The message names file and line.
    """
    known = {rule.id: rule for rule in shipped}
    for entity, (document, content) in _documents().items():
        for index, change in enumerate(content.changes):
            _change(known, ENTITIES[entity], document, index, change)
        for index, own in enumerate(content.rules):
            _add(known, ENTITIES[entity], document, index, own)
    return tuple(known.values())


@configuration.cached_for("config", PATTERN)
def _documents(files: dict[str, Path]) -> dict[str, tuple[Document, ContractFile]]:
    found = {}
    for path in files.values():
        document = read(path)
        entity = path.stem
        if entity not in ENTITIES:
            close = difflib.get_close_matches(entity, ENTITIES, n=1)
            raise document.error(
                (), f"unknown entity {entity}", cure=f"did you mean {close[0]}?" if close else ", ".join(ENTITIES)
            )
        if not document.is_disabled:
            found[entity] = (document, validate(document, ContractFile))
    return found


def _change(known: dict[str, Rule], entity: Entity, document: Document, index: int, change: Change) -> None:
    place = ("changes", index, "name")
    rule_id = f"{entity.kind}.{entity.name}.{change.name}"
    if rule_id not in known:
        names = [rule.id.split(".")[2] for rule in known.values() if rule.entity == entity.name]
        close = difflib.get_close_matches(change.name, names, n=1)
        cure = f"did you mean {close[0]}?" if close else "`python -m include.cli contracts` lists them"
        raise document.error(place, f"unknown rule {rule_id}", cure=cure)
    if change.disabled:
        del known[rule_id]
        return
    old = known[rule_id]
    known[rule_id] = replace(
        old,
        severity=change.severity or old.severity,
        owner=change.owner or old.owner,
        why=f"{old.why} (changed: {change.reason})",
        origin=document.at(place),
    )


def _add(known: dict[str, Rule], entity: Entity, document: Document, index: int, own: CustomRule) -> None:
    rule_id = f"{entity.kind}.{entity.name}.{own.name}"
    if rule_id in known:
        raise document.error(("rules", index, "name"), f"the rule {rule_id} already exists", cure="choose another name")
    # This imports sqlglot, 10 MB, so only do it if a file has rules of its own.
    from include.config import expression

    condition = document.check(("rules", index, "holds"), expression.on_landed, own.holds, ("id", *entity.column_names))
    expect = none(
        f"select batch._row from {BATCH} where not batch._is_deleted and not coalesce(({condition.sql}), true)",  # noqa: S608
        *condition.columns,
    )
    known[rule_id] = Rule(
        rule_id,
        own.severity,
        "row",
        _always(expect),
        own.says,
        own.why,
        own.cure,
        own.owner or OWNERS[entity.kind],
        origin=document.at(("rules", index, "name")),
        is_custom=True,
    )


def _always(expect: Expect) -> Factory:
    def factory(facts: BatchFacts) -> Expect | None:
        return expect

    return factory
