"""Rules that every entity has."""

from __future__ import annotations

from datetime import timedelta

from include.contracts.rule import (
    OWNERS,
    Expect,
    Factory,
    Known,
    Rule,
    Scope,
    Severity,
    between,
    is_null,
    literal,
    matches,
    none,
    not_null,
)
from include.sources.entities import ENTITIES, Entity

# More bad rows than both of these and the batch itself is suspect: it is held.
BAD_SHARE = 0.05
BAD_ROWS = 20
# More deletions at once than both of these are held: one wrong filter looks like a mass deletion.
DELETED_SHARE = 0.02
DELETED_ROWS = 10
# More new records at once than both of these are held: a source that was connected twice looks like growth.
NEW_SHARE = 0.5
NEW_ROWS = 100
# So many times the largest read of the trailing weeks is worth a look.
UNUSUAL_TIMES = 10
UNUSUAL_ROWS = 1000
# Fewer rows than this can all lack a value by chance.
VANISHED_ROWS = 20
CLOCK_SLACK = timedelta(days=1)

# Great Expectations puts a table's name in the braces, or a query with an alias of its own: this takes both. It leaves
# the alias out where it finds the word join, so that no query here has it.
_BATCH = "(select * from {batch}) as batch"

SHARE_OF_BAD_ROWS = "share_of_bad_rows"


def rules(entity: Entity) -> tuple[Rule, ...]:
    """Return the rules that an entity has in common with all others."""
    return (*_rows(entity), *_batch(entity))


def rule(
    entity: str,
    name: str,
    expect: Factory,
    says: str,
    *,
    why: str,
    cure: str,
    severity: Severity = "critical",
    scope: Scope = "row",
    on_deleted: bool = False,
) -> Rule:
    """Return a rule of one entity; kind and owner follow from it."""
    kind = ENTITIES[entity].kind
    return Rule(f"{kind}.{entity}.{name}", severity, scope, expect, says, why, cure, OWNERS[kind], on_deleted)


def warn(entity: str, name: str, expect: Factory, says: str, *, why: str, cure: str, scope: Scope = "row") -> Rule:
    """Return a rule of one entity that is only counted."""
    return rule(entity, name, expect, says, why=why, cure=cure, severity="warning", scope=scope)


def references(entity: str, column: str, other: str, *, why: str, cure: str) -> Rule:
    """Return the warning that a column names a record of the same source that is nowhere."""

    def expect(known: Known) -> Expect | None:
        tables = known.tables.get(other)
        if not tables:
            return None
        missing = " ".join(
            f"and not exists (select from {table} as target where target.id = batch.{column}{_of(table, known)})"
            for table in tables
        )
        return none(
            f"select batch._row from {_BATCH} where not batch._is_deleted and batch.{column} <> '' {missing}"  # noqa: S608
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


def not_in_future(column: str, *, days: int = 1) -> Factory:
    """Expect no moment or day further ahead than clocks and zones differ."""
    kinds = {each.name: each.type for entity in ENTITIES.values() for each in entity.columns}

    def expect(known: Known) -> Expect | None:
        latest = known.now + timedelta(days=days)
        return between(column, None, latest.date() if kinds.get(column) == "date" else latest)(known)

    return expect


def _of(table: str, known: Known) -> str:
    # Batch tables hold one source, raw tables hold all that run the same vendor.
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
            "the record does not say when it was last changed",
            why="without the source's clock an older version can replace a newer one",
            cure="map the field that says when the record was last changed onto updated_at",
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


def _batch(entity: Entity) -> list[Rule]:
    return [
        rule(
            entity.name,
            SHARE_OF_BAD_ROWS,
            lambda known: None,  # counted in validate.py from what the row rules have found
            "too many rows break critical rules",
            why=f"more than {BAD_SHARE:.0%} bad rows come from one cause, and the rows that pass may have it too",
            cure="mend the source or the mapping and `batch drop` to read it again; `batch accept` merges the good "
            "rows and leaves the bad ones in quarantine",
            scope="batch",
        ),
        rule(
            entity.name,
            "columns_filled",
            _columns_filled,
            "columns that used to be filled are empty in every row",
            why="a field was renamed, or may no longer be read: merged, it would wipe the values that are stored",
            cure="see whether the source still has the field and shows it to this login, correct the mapping, "
            "then `batch drop` to read it again",
            scope="batch",
        ),
        rule(
            entity.name,
            "deletions_few",
            _deletions_few,
            "an unusual share of all records is gone",
            why="a filter, a lost permission or half an export looks like a mass deletion, and so like churn",
            cure="compare the source's own count; `batch accept` if they were deleted on purpose, else mend the "
            "access and `batch drop` to read it again",
            scope="batch",
        ),
        *([] if _is_daily(entity) else [_growth(entity)]),
        rule(
            entity.name,
            "volume_usual",
            _volume_usual,
            "far more rows than any read of the trailing weeks",
            why="a bulk change or a broken incremental read: harmless to the numbers, but worth a look",
            cure="see who changed so many records at once",
            severity="warning",
            scope="batch",
        ),
    ]


def _growth(entity: Entity) -> Rule:
    return rule(
        entity.name,
        "growth_plausible",
        _growth_plausible,
        "an unusual share of the records is new",
        why="a source that was imported or connected twice doubles every count and amount",
        cure="see where the new records come from; `batch accept` if they are real, else remove them at the source "
        "and `batch drop`",
        scope="batch",
    )


def _is_daily(entity: Entity) -> bool:
    # Facts of days come in any number; their keys contain the day, so that reading twice does not double them.
    return "day" in entity.column_names


def _columns_filled(known: Known) -> Expect | None:
    if not known.filled:
        return None
    counts = ", ".join(f"count({column}) as {column}" for column in known.filled)
    return none(
        f"select filled.key as column_name from (select count(*) as n_, {counts} from {_BATCH} where not _is_deleted)"  # noqa: S608
        " as counted, lateral jsonb_each_text(to_jsonb(counted) - 'n_') as filled"
        f" where counted.n_ >= {VANISHED_ROWS} and filled.value = '0'"
    )


def _deletions_few(known: Known) -> Expect | None:
    if known.is_first_load or not known.n_stored:
        return None
    limit = max(DELETED_ROWS, int(known.n_stored * DELETED_SHARE))
    stored = f"stored.source = {literal(known.source)} and not stored._is_deleted"
    gone = (
        f"select stored.id from {known.raw} as stored where {stored}"  # noqa: S608
        f" and exists (select from {_BATCH} where batch.id = stored.id and batch._is_deleted)"
    )
    if known.is_full_end:
        met = f"{known.seen} as batch" if known.seen else _BATCH
        gone += (
            f" union select stored.id from {known.raw} as stored where {stored}"  # noqa: S608
            f" and not exists (select from {met} where batch.id = stored.id)"
        )
    return none(f"with gone as ({gone}) select id from gone where (select count(*) from gone) > {limit}")  # noqa: S608


def _growth_plausible(known: Known) -> Expect | None:
    if known.is_first_load or not known.n_stored:
        return None
    limit = max(NEW_ROWS, int(known.n_stored * NEW_SHARE))
    new = (
        f"select batch.id from {_BATCH} where not batch._is_deleted"  # noqa: S608
        f" and not exists (select from {known.raw} as stored"
        f" where stored.source = {literal(known.source)} and stored.id = batch.id)"
    )
    return none(f"with new as ({new}) select id from new where (select count(distinct id) from new) > {limit}")  # noqa: S608


def _volume_usual(known: Known) -> Expect | None:
    if known.is_first_load or known.is_full or known.largest_read is None:
        return None
    most = max(UNUSUAL_ROWS, UNUSUAL_TIMES * known.largest_read)
    return Expect("ExpectTableRowCountToBeBetween", {"max_value": most})
