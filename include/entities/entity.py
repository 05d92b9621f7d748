"""Definition of an entity: one kind of record and its columns. ``catalog.py`` lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["crm", "support", "product"]
ColumnType = Literal["text", "bigint", "numeric", "double precision", "date", "timestamptz", "boolean", "jsonb"]


@dataclass(frozen=True)
class Column:
    """One mapped column.

    Args:
        name: Column name in ``raw``.
        type: PostgreSQL type.
        sensitive: Whether its values identify a person and are masked wherever rows are shown.
    """

    name: str
    type: ColumnType = "text"
    sensitive: bool = False


@dataclass(frozen=True)
class Entity:
    """One kind of record.

    Args:
        name: Singular, as customer-success people call it.
        kind: The kind of source that provides it.
        columns: Mapped columns, without ``id`` and the loader's own (see ``include.ingest.landing``).
        history: Whether every version is kept with both clocks in ``raw.<vendor>__<entity>__version``.
        account_ref: The column with the record's account id in its own source; "" if there is none.
        part_of: The column with the id of the record's parent, by which SQL looks records up; "" if nothing does.
        made_by: The column with the id of the record's author, by which SQL looks records up; "" if nothing does.
        is_account: Whether the record is itself an account of its source, with its ``id`` as the account id.
        dirty_from: The column whose date is the first day that a change of the record can affect; "" for all days.
        dirty_days: For how many days from there a change can affect account-day figures; 0 for all following days.
        is_optional: Whether many companies lack it. It is read only if the vendor's object is mapped and readable, and
            otherwise reported as not available (``include.gate.availability``).
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
        """The column with the account id, be it ``id`` or another; "" for records without a single account."""
        return "id" if self.is_account else self.account_ref

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The columns whose values identify a person."""
        return tuple(column.name for column in self.columns if column.sensitive)


def columns(**types: str) -> tuple[Column, ...]:
    """Build columns from ``name="type"``; a trailing ``*`` marks a sensitive column."""
    return tuple(
        Column(name, kind.rstrip("*"), kind.endswith("*"))  # type: ignore[arg-type]
        for name, kind in types.items()
    )
