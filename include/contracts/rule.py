"""What a rule is, and the words in which rules are written.

A rule names the Great Expectations expectation that it stands for and its arguments; the object itself is made by
``engine.py`` when a batch is checked, since importing Great Expectations costs seconds.
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
# What breaks it: a row, the batch as a whole, one feature's use, or the source over time.
Scope = Literal["row", "batch", "feature", "source"]
# (column, operator, value): the rule looks only at rows for which this holds.
Condition = tuple[str, Literal["==", "!=", "is null", "is not null"], Any]

# Who fixes what a rule of this kind of source finds.
OWNERS: dict[Kind, str] = {
    "crm": "CRM administrator",
    "support": "support desk administrator",
    "product": "product data engineer",
}
FIRST_DATE = date(1990, 1, 1)
LAST_DATE = date(2100, 1, 1)
# Great Expectations puts a table's name in the braces, or a query with an alias of its own: this takes both. It leaves
# the alias out where it finds the word join, so that no query for ``none`` has it.
BATCH = "(select * from {batch}) as batch"
# Great Expectations complains of a query that does not name the batch; some look at all of it, some at part.
SILENT = "/* {batch} */"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass(frozen=True)
class Expect:
    """One expectation, described.

    Args:
        name: Its class in ``great_expectations.expectations``.
        arguments: The class's arguments.
        where: It looks only at rows for which all of these hold.
        shows: Columns that explain what a query has found.
    """

    name: str
    arguments: Mapping[str, Any]
    where: tuple[Condition, ...] = ()
    shows: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at, those of its conditions last."""
        named = [self.arguments[key] for key in ("column", "column_A", "column_B") if key in self.arguments]
        return tuple(dict.fromkeys([*named, *self.shows, *(column for column, _, _ in self.where)]))


@dataclass(frozen=True)
class Known:
    """What is known of a batch, and of what came before it, when its rules are made.

    Args:
        batch_id: Its number.
        source: The connection it came from.
        entity: What its rows are.
        now: The clock of the check.
        currency: The reporting currency.
        is_first_load: Nothing was stored before its read.
        is_full: Its read reads everything again.
        is_full_end: It ends such a read: what the read has not met is gone from the source.
        is_queried: Its source is a database, which gives all rows of one moment by a query.
        is_replay: Its rows were in quarantine and are validated again.
        n_rows: How many rows it has.
        table: The table in which they are landed, with its schema; "" where there are none.
        is_stored: Whether there is a table in which its rows are stored.
        has_bad_rows: Whether rows of this source and entity are in quarantine, or were dropped.
        accepted: The batches of this source and entity that were held and that somebody accepted.
        accepted_days: The days that were accepted with these.
        days: Day -> how many rows it has, landed or stored, as far as the complete day is compared with them.
        n_stored: How many rows of this source are stored and not deleted, those of nobody left out; None where nobody
            counted.
        until: The clock of the run when its read began.
        today: The day in the reporting zone.
        limits: The bounds in force for this entity.
        largest_read: Rows of the largest incremental read of the trailing weeks; None while there are too few.
        n_today: Rows that incremental reads have brought on this day, with this batch.
        largest_weekday: The most that they brought on the same weekday of the trailing weeks; None while too few.
        complete_day: The newest day of the batch that is over, if it is a usual one of the last days.
        filled: Columns that at least half of the stored rows have filled.
        well_filled: Columns that nine of ten of the stored rows have filled.
        values: Column -> the values that the stored rows have in it, where they are few.
        raw: The table in which its rows are stored, with its schema.
        seen: The table of ids that a full read has met, with its schema; "" where there is none.
        tables: Entity -> the tables in which rows of this source may be found.
        crm_tables: The tables in which accounts of a CRM are stored; none before there are any.
        newest_at: The source's clock of its newest row that is not deleted.
        is_marked: Whether rows of it bear marks of an earlier check.
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


# Returns None where the rule has nothing to say on this batch.
Factory = Callable[[Known], Expect | None]


@dataclass(frozen=True)
class Rule:
    """One rule of a contract.

    Args:
        id: Stable: ``<kind>.<entity>.<what holds>``. Results, quarantine and waivers refer to it.
        severity: ``critical`` sends the row to quarantine, holds the batch or the feature's signals, or makes the
            source stale; ``warning`` is only counted.
        scope: What breaks it.
        expect: Makes the expectation for one batch.
        says: What is wrong with what breaks it, in plain words.
        why: What would go wrong without it.
        cure: What its owner does about it.
        owner: The role that fixes it.
        on_deleted: Whether rows that the source has deleted must keep it too.
        origin: ``file:line`` of a rule that a file adds, or that changes this one; "" for a shipped one.
        is_own: It comes from a file: its condition runs as reader.
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
    is_own: bool = False

    @property
    def entity(self) -> str:
        """The entity that it is about."""
        return self.id.split(".")[1]


def not_null(column: str, *where: Condition) -> Factory:
    """Expect a column to be filled."""
    return _fixed(Expect("ExpectColumnValuesToNotBeNull", {"column": column}, where))


def is_null(column: str, *where: Condition) -> Factory:
    """Expect a column to be empty."""
    return _fixed(Expect("ExpectColumnValuesToBeNull", {"column": column}, where))


def between(column: str, low: Any = None, high: Any = None, *where: Condition) -> Factory:
    """Expect values within bounds, both included."""
    return _fixed(
        Expect("ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high}, where)
    )


def one_of(column: str, values: Iterable[object], *where: Condition) -> Factory:
    """Expect values of a known set."""
    return _fixed(Expect("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)}, where))


def matches(column: str, pattern: str, *where: Condition) -> Factory:
    """Expect values that match a regular expression of PostgreSQL."""
    return _fixed(Expect("ExpectColumnValuesToMatchRegex", {"column": column, "regex": pattern}, where))


def in_order(earlier: str, later: str, *where: Condition, or_equal: bool = True) -> Factory:
    """Expect one column not to lie before (or, unless ``or_equal``, at) another, where both are filled."""
    arguments = {
        "column_A": later,
        "column_B": earlier,
        "or_equal": or_equal,
        "ignore_row_if": "either_value_is_missing",
    }
    return _fixed(Expect("ExpectColumnPairValuesAToBeGreaterThanB", arguments, where))


def none(sql: str, *shows: str) -> Expect:
    """Expect a query to find nothing; it names the batch ``{batch}``.

    Args:
        sql: For a rule on rows it selects ``_row``.
        *shows: Columns that explain what it has found.
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
    """Return a rule of one entity; kind and owner follow from it."""
    kind = ENTITIES[entity].kind
    return Rule(f"{kind}.{entity}.{name}", severity, scope, expect, says, why, cure, OWNERS[kind], on_deleted)


def warn(entity: str, name: str, expect: Factory, says: str, *, why: str, cure: str, scope: Scope = "row") -> Rule:
    """Return a rule of one entity that is only counted."""
    return rule(entity, name, expect, says, why=why, cure=cure, severity="warning", scope=scope)


def literal(value: str) -> str:
    """Return a text as an SQL literal for ``none``; braces and colons would be read as places for values."""
    return "'" + value.replace("'", "''").replace("{", "{{").replace("}", "}}").replace(":", r"\:") + "'"


def _fixed(expect: Expect) -> Factory:
    return lambda known: expect
