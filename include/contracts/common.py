"""Rules that all entities share."""

from __future__ import annotations

from datetime import timedelta

from include.contracts import freshness, whole
from include.contracts.rule import (
    BATCH,
    BatchFacts,
    Expect,
    Factory,
    Rule,
    between,
    is_null,
    literal,
    matches,
    none,
    not_null,
    rule,
)
from include.entities.catalog import ENTITIES, Entity


def rules(entity: Entity) -> tuple[Rule, ...]:
    return (*_rows(entity), *whole.rules(entity), *freshness.rules(entity))


def references(entity: str, column: str, other: str, *, why: str, cure: str) -> Rule:
    """Return a warning for a column whose record does not exist in the same source."""

    def expect(facts: BatchFacts) -> Expect | None:
        tables = facts.tables.get(other)
        if not tables:
            return None
        missing = " ".join(
            f"and not exists (select from {table} as target where target.id = batch.{column}{_of(table, facts)})"
            for table in tables
        )
        return none(
            f"select batch._row from {BATCH} where not batch._is_deleted and batch.{column} <> '' {missing}",  # noqa: S608
            column,
        )

    return rule(
        entity,
        f"{column.removesuffix('_id')}_exists",
        expect,
        f"{column} matches no {other} of this source",
        why=why,
        cure=cure,
        severity="warning",
    )


def has_crm_id(entity: str, column: str, name: str, *, why: str, cure: str) -> Rule:
    """Return a warning for a CRM account id, on a record of another source, that no CRM account has."""

    def expect(facts: BatchFacts) -> Expect | None:
        if not facts.crm_tables:
            return None
        missing = " ".join(
            f"and not exists (select from {table} as target where target.id = batch.{column})"
            for table in facts.crm_tables
        )
        return none(
            f"select batch._row from {BATCH} where not batch._is_deleted and batch.{column} <> '' {missing}",  # noqa: S608
            column,
        )

    says = f"{column} matches no account of the CRM"
    return rule(entity, name, expect, says, why=why, cure=cure, severity="warning")


def not_in_future(column: str, *, days: int = 1) -> Factory:
    """Expect no timestamp or date more than ``days`` ahead, which allows for clock and time zone differences."""
    kinds = {each.name: each.type for entity in ENTITIES.values() for each in entity.columns}

    def expect(facts: BatchFacts) -> Expect | None:
        latest = facts.now + timedelta(days=days)
        return between(column, None, latest.date() if kinds.get(column) == "date" else latest)(facts)

    return expect


def _of(table: str, facts: BatchFacts) -> str:
    # A batch table holds one source. A raw table holds all sources of one vendor.
    return "" if table.startswith("raw.batch_") else f" and target.source = {literal(facts.source)}"


def _rows(entity: Entity) -> list[Rule]:
    found = [
        rule(
            entity.name,
            "id_present",
            matches("id", r"\S"),
            "the record has no id",
            why="without an id, the record can neither be deduplicated nor updated",
            cure="find the record without an id in the source; in your own query, select a unique column as id",
            on_deleted=True,
        ),
        rule(
            entity.name,
            "castable",
            is_null("_problems"),
            "a value cannot be cast to its column's type",
            why="an empty amount or date would silently count as none",
            cure="correct the value in the source, or map another field to the column",
        ),
        rule(
            entity.name,
            "updated_at_present",
            not_null("updated_at"),
            "the record has no time of last change, or its source is a database and the time is in the future",
            why="without it, an older version can replace a newer one; database rows with a future time are read in"
            " every run",
            cure="map the time of last change to updated_at; small tables can do without it",
            severity="warning",
        ),
        rule(
            entity.name,
            "updated_at_not_in_future",
            not_in_future("_source_at"),
            "the time of last change is in the future",
            why="no later version would count as newer, so the record would never be updated again",
            cure="correct the clock or time zone of the system that wrote it",
        ),
    ]
    if "created_at" in entity.column_names:
        found.append(
            rule(
                entity.name,
                "created_at_not_in_future",
                not_in_future("created_at"),
                "the creation time is in the future",
                why="ages and durations since then would be negative",
                cure="correct the date in the source, or the time zone of the field mapped to created_at",
                severity="warning",
            )
        )
    return found
