"""What an entity is: one kind of record with its columns. ``entities.py`` lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["crm", "support", "product"]
ColumnType = Literal["text", "bigint", "numeric", "double precision", "date", "timestamptz", "boolean", "jsonb"]


@dataclass(frozen=True)
class Column:
    """One mapped column.

    Args:
        name: Its name in ``raw``.
        type: Its PostgreSQL type.
        sensitive: Whether its values identify a person and are masked wherever rows are shown.
    """

    name: str
    type: ColumnType = "text"
    sensitive: bool = False


@dataclass(frozen=True)
class Entity:
    """One kind of record.

    Args:
        name: Singular, in the field's own words.
        kind: Which kind of source has it.
        columns: Mapped columns beside ``id`` and the loader's own (see ``include.ingest.landing``).
        history: Whether every version is kept with both clocks in ``raw.<vendor>__<entity>__version``.
        account_ref: The column that names the record's account in its own source; "" where there is none.
        part_of: The column that names another record of the source to which many of these belong, and by which the SQL
            finds them; "" where nothing asks so.
        made_by: The column that names the person who made the record, by which the SQL finds it; "" where nothing asks.
        is_account: Whether the record is itself an account of its source, named by its ``id``.
        dirty_from: The column whose date is the first day that a change of the record can alter; "" for all days.
        dirty_days: For how many days from there a change can alter account-day figures; 0 for all days since.
        is_optional: Many houses have none: it is pulled only where the vendor's object is mapped and may be read, and
            is reported as not available elsewhere (``include.gate.availability``).
    """

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    history: bool = False
    account_ref: str = ""
    part_of: str = ""
    made_by: str = ""
    is_account: bool = False
    dirty_from: str = ""
    dirty_days: int = 0
    is_optional: bool = False
    column_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column_names", tuple(column.name for column in self.columns))

    @property
    def account_column(self) -> str:
        """The column that names the account, be it ``id`` or another; "" for records of no one account."""
        return "id" if self.is_account else self.account_ref

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Columns whose values identify a person."""
        return tuple(column.name for column in self.columns if column.sensitive)


def columns(**types: str) -> tuple[Column, ...]:
    """Build columns from ``name="type"``; a trailing ``*`` marks a sensitive one."""
    return tuple(
        Column(name, kind.rstrip("*"), kind.endswith("*"))  # type: ignore[arg-type]
        for name, kind in types.items()
    )
