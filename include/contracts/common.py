"""Rules that all entities share."""

from __future__ import annotations

from datetime import timedelta

from include.contracts import freshness, whole
from include.contracts.rule import (
    BATCH,
    Expect,
    Factory,
    Known,
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

    def expect(known: Known) -> Expect | None:
        tables = known.tables.get(other)
        if not tables:
            return None
        missing = " ".join(
            f"and not exists (select from {table} as target where target.id = batch.{column}{_of(table, known)})"
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
        f"{column} names no {other} of this source",
        why=why,
        cure=cure,
        severity="warning",
    )


def carries_crm_id(entity: str, column: str, name: str, *, why: str, cure: str) -> Rule:
    """Return a warning for a CRM account id, on a record of another source, that no CRM account has."""

    def expect(known: Known) -> Expect | None:
        if not known.crm_tables:
            return None
        missing = " ".join(
            f"and not exists (select from {table} as target where target.id = batch.{column})"
            for table in known.crm_tables
        )
        return none(
            f"select batch._row from {BATCH} where not batch._is_deleted and batch.{column} <> '' {missing}",  # noqa: S608
            column,
        )

    says = f"{column} names no account of the CRM"
    return rule(entity, name, expect, says, why=why, cure=cure, severity="warning")


def not_in_future(column: str, *, days: int = 1) -> Factory:
    """Expect no timestamp or date more than ``days`` ahead, which allows for clock and time zone differences."""
    kinds = {each.name: each.type for entity in ENTITIES.values() for each in entity.columns}

    def expect(known: Known) -> Expect | None:
        latest = known.now + timedelta(days=days)
        return between(column, None, latest.date() if kinds.get(column) == "date" else latest)(known)

    return expect


def _of(table: str, known: Known) -> str:
    # A batch table holds one source. A raw table holds all sources of one vendor.
    return "" if table.startswith("raw.batch_") else f" and target.source = {literal(known.source)}"


def _rows(entity: Entity) -> list[Rule]:
    found = [
        rule(
            entity.name,
            "id_present",
            matches("id", r"\S"),
            "the record has no id",
            why="without an id it can neither be stored once nor be replaced by its next version",
            cure="see which record of the source has no id; for a query of your own, select a unique column as id",
            on_deleted=True,
        ),
        rule(
            entity.name,
            "castable",
            is_null("_problems"),
            "a value does not fit its column",
            why="an empty amount or date in its place would count as none, and nobody would know",
            cure="correct the value in the source, or map another field onto the column",
        ),
        rule(
            entity.name,
            "updated_at_present",
            not_null("updated_at"),
            "the record does not say when it was last changed, or its source is a database and names a time to come",
            why="without the source's clock an older version can replace a newer one; of a database, such rows are read"
            " in every run",
            cure="map the field that says when the record was last changed onto updated_at; small tables may lack it",
            severity="warning",
        ),
        rule(
            entity.name,
            "updated_at_not_in_future",
            not_in_future("_source_at"),
            "the record was changed in the future",
            why="no later version of it would count as newer, so it would never change again",
            cure="correct the clock or the time zone of the system that wrote it",
        ),
    ]
    if "created_at" in entity.column_names:
        found.append(
            rule(
                entity.name,
                "created_at_not_in_future",
                not_in_future("created_at"),
                "the record was created in the future",
                why="ages and durations that start there are negative",
                cure="correct the date in the source, or the time zone of the field mapped onto created_at",
                severity="warning",
            )
        )
    return found
