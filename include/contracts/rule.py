"""Define rules, and the vocabulary to write them in.

A rule names a Great Expectations expectation and its arguments. ``engine.py`` creates the expectation when a batch is
checked, since importing Great Expectations costs seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from include.contracts.levels import Accepted
from include.contracts.limits import Limits
from include.entities.catalog import ENTITIES, Entity, Kind

Severity = Literal["critical", "warning"]
# The unit a rule applies to: a row, the whole batch, one feature's usage, or the source over time.
Scope = Literal["row", "batch", "feature", "source"]
# (column, operator, value): restricts a rule to the rows that match.
Condition = tuple[str, Literal["==", "!=", "is null", "is not null"], Any]

# Kind of source -> the role that fixes its data.
OWNERS: dict[Kind, str] = {
    "crm": "CRM administrator",
    "support": "support desk administrator",
    "product": "product data engineer",
}
FIRST_DATE = date(1990, 1, 1)
LAST_DATE = date(2100, 1, 1)
# Great Expectations replaces the braces with a table's name, or with a query that has an alias: this works for both. It
# drops the alias if the query contains the word join, so queries for ``none`` must not contain it.
BATCH = "(select * from {batch}) as batch"
FEATURE = "lower(trim(feature))"  # as figures of use name it, in an entity with features
# Great Expectations warns about queries that do not name the batch. Some queries read all of it, some only part.
SILENT = "/* {batch} */"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass(frozen=True)
class Expect:
    """The description of an expectation.

    Args:
        name: Its class in ``great_expectations.expectations``.
        arguments: The class's arguments.
        where: Conditions that restrict it to some rows.
        shows: Columns that explain a finding.
    """

    name: str
    arguments: Mapping[str, Any]
    where: tuple[Condition, ...] = ()
    shows: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, those of its conditions last."""
        named = [self.arguments[key] for key in ("column", "column_A", "column_B") if key in self.arguments]
        return tuple(dict.fromkeys([*named, *self.shows, *(column for column, _, _ in self.where)]))


@dataclass(frozen=True)
class BatchFacts:
    """The facts about a batch, and about the data before it, that rules may use.

    Args:
        batch_id: Number of the batch.
        source: Connection it came from.
        entity: Entity of its rows.
        now: Time of the check.
        currency: The reporting currency.
        is_first_load: Nothing was stored before its extract.
        is_full: Its extract is a full refresh.
        is_full_end: It is the last batch of a full refresh: records that were not met are gone from the source.
        is_queried: Its source is a database, where a query returns one consistent snapshot.
        is_replay: Its rows come out of quarantine to be validated again.
        n_rows: Number of its rows.
        table: Table with its landed rows, with schema; "" if it has none.
        is_stored: Whether the table for stored rows exists.
        has_bad_rows: Whether rows of this source and entity are in quarantine, or were dropped.
        accepted: Held batches of this source and entity that a person accepted.
        accepted_days: The days accepted with these batches.
        days: Day -> number of rows, landed or stored, for the days that the complete day is compared with.
        n_stored: Number of stored rows of this source, without deleted rows and rows without an owner; None if not
            counted.
        until: Clock of the run when its extract began.
        today: Today in the reporting zone.
        limits: The limits in force for this entity.
        largest_read: Rows of the largest incremental read of the last weeks; None if there are too few reads.
        n_today: Rows of today's incremental reads, this batch included.
        largest_weekday: Largest number of rows on the same weekday of the last weeks; None if there are too few days.
        complete_day: The batch's newest completed day, if it is recent and not a holiday.
        filled: Columns filled in at least half of the stored rows.
        well_filled: Columns filled in at least nine of ten stored rows.
        values: Column -> its stored values, for columns with few.
        raw: Table for its stored rows, with schema.
        seen: Table of the ids that a full read has met, with schema; "" if there is none.
        tables: Entity -> the tables that may contain rows of this source.
        crm_tables: Tables with stored CRM accounts.
        newest_at: Newest change in the batch, by the source's clock, deletions aside.
        is_marked: Whether an earlier check has marked rows of it.
    """

    batch_id: int
    source: str
    entity: Entity
    now: datetime
    currency: str
    is_first_load: bool = False
    is_full: bool = False
    is_full_end: bool = False
    is_queried: bool = False
    is_replay: bool = False
    n_rows: int = 0
    table: str = ""
    is_stored: bool = False
    has_bad_rows: bool = False
    accepted: tuple[int, ...] = ()
    accepted_days: tuple[Accepted, ...] = ()
    days: Mapping[date, int] = field(default_factory=dict)
    n_stored: int | None = None
    until: datetime | None = None
    today: date = LAST_DATE
    limits: Limits = field(default_factory=Limits)
    largest_read: int | None = None
    n_today: int = 0
    largest_weekday: int | None = None
    complete_day: date | None = None
    filled: tuple[str, ...] = ()
    well_filled: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: str = ""
    seen: str = ""
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crm_tables: tuple[str, ...] = ()
    newest_at: datetime | None = None
    is_marked: bool = False


# Returns None if the rule does not apply to the batch.
Factory = Callable[[BatchFacts], Expect | None]


@dataclass(frozen=True)
class Rule:
    """A rule of a contract.

    Args:
        id: A stable id, ``<kind>.<entity>.<name>``. Results, quarantine and waivers refer to it.
        severity: ``critical`` sends the row to quarantine, holds the batch or the feature's signals, or makes the
            source stale. ``warning`` is only counted.
        scope: The unit it applies to.
        expect: Makes the expectation for a batch.
        says: The problem, in plain words.
        why: The consequence of the problem.
        cure: How the owner fixes it.
        owner: The role that fixes it.
        on_deleted: Whether it also applies to deleted rows.
        origin: ``file:line`` of the file that adds or changes it; "" for an unchanged shipped rule.
        is_custom: Whether it comes from a file. Its condition then runs as the reader role.
    """

    id: str
    severity: Severity
    scope: Scope
    expect: Factory
    says: str
    why: str
    cure: str
    owner: str
    on_deleted: bool = False
    origin: str = ""
    is_custom: bool = False

    @property
    def entity(self) -> str:
        return self.id.split(".")[1]


def not_null(column: str, *where: Condition) -> Factory:
    """Expect a column to be filled."""
    return _fixed(Expect("ExpectColumnValuesToNotBeNull", {"column": column}, where))


def is_null(column: str, *where: Condition) -> Factory:
    """Expect a column to be empty."""
    return _fixed(Expect("ExpectColumnValuesToBeNull", {"column": column}, where))


def between(column: str, low: Any = None, high: Any = None, *where: Condition) -> Factory:
    """Expect values within bounds, both inclusive."""
    return _fixed(
        Expect("ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high}, where)
    )


def one_of(column: str, values: Iterable[object], *where: Condition) -> Factory:
    """Expect values from a set."""
    return _fixed(Expect("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)}, where))


def matches(column: str, pattern: str, *where: Condition) -> Factory:
    """Expect values to match a PostgreSQL regular expression."""
    return _fixed(Expect("ExpectColumnValuesToMatchRegex", {"column": column, "regex": pattern}, where))


def in_order(earlier: str, later: str, *where: Condition, or_equal: bool = True) -> Factory:
    """Expect one column to be after another (or equal, if ``or_equal``), where both are filled."""
    arguments = {
        "column_A": later,
        "column_B": earlier,
        "or_equal": or_equal,
        "ignore_row_if": "either_value_is_missing",
    }
    return _fixed(Expect("ExpectColumnPairValuesAToBeGreaterThanB", arguments, where))


def none(sql: str, *shows: str) -> Expect:
    """Expect a query to find nothing. The query names the batch ``{batch}``.

    Args:
        sql: The query. For a rule on rows it selects ``_row``.
        *shows: Columns that explain a finding.
    """
    return Expect("UnexpectedRowsExpectation", {"unexpected_rows_query": sql}, shows=shows)


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
    """Return a rule of an entity. Kind and owner follow from the entity."""
    kind = ENTITIES[entity].kind
    return Rule(f"{kind}.{entity}.{name}", severity, scope, expect, says, why, cure, OWNERS[kind], on_deleted)


def warn(entity: str, name: str, expect: Factory, says: str, *, why: str, cure: str, scope: Scope = "row") -> Rule:
    """Return a rule with severity warning."""
    return rule(entity, name, expect, says, why=why, cure=cure, severity="warning", scope=scope)


def literal(value: str) -> str:
    """Return a text as an SQL literal for ``none``, with braces and colons escaped so that they are not parameters."""
    return "'" + value.replace("'", "''").replace("{", "{{").replace("}", "}}").replace(":", r"\:") + "'"


def _fixed(expect: Expect) -> Factory:
    return lambda facts: expect
