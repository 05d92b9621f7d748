"""The schema of a table's ``metadata.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict

SourceKind = Literal["crm", "support", "product"]
Sensitivity = Literal["public", "internal", "personal"]
ColumnType = Literal[
    "text", "integer", "bigint", "numeric", "numeric(18,2)", "double precision", "date", "timestamptz", "boolean"
]
Tag = Literal[
    "identity",
    "renewals",
    "retention",
    "usage",
    "support",
    "contacts",
    "kpi",
    "actions",
    "signals",
    "scores",
    "forecast",
]

# How a table is materialized.
#   view         a view; it has no parameters
#   table        rebuilt as a whole by every build; only differing rows are written
#   account      an account's rows are rebuilt when something about the account changed
#   account_day  an account's days are rebuilt; partitioned by month of the window column
#   period       days (or the periods that end on them) are rebuilt over all accounts
#   frozen       rows are added once, on their day, and never changed or added later
Materialisation = Literal["view", "table", "account", "account_day", "period", "frozen"]
WINDOWED = ("account_day", "period")


class Column(Strict):
    """A column.

    Args:
        type: Its PostgreSQL type.
        description: Its meaning, with the unit.
        sensitivity: ``personal`` identifies a person and is masked wherever rows are shown.
        reads: The kinds of source behind its data. An action nulls the column while one of them is not trusted.
    """

    type: ColumnType
    description: Annotated[str, Field(min_length=5)]
    sensitivity: Sensitivity = "internal"
    reads: tuple[SourceKind, ...] = ()


class Affects(Strict):
    """The days that a row of a table by account can alter downstream.

    Args:
        column: The column with the first such day.
        days: Number of days from there; 0 for no end.
    """

    column: str
    days: Annotated[int, Field(ge=0)] = 0


class Kpi(Strict):
    """A KPI that people know by name."""

    formula: str
    unit: str


class Metadata(Strict):
    """A table.

    Args:
        description: Starts with the grain: ``One row per ...``.
        owner: Its owner, a name of ``sql/owners.yaml``.
        tier: ``tier_1`` drives actions or is shown to people, ``tier_2`` feeds tier 1, ``tier_3`` can wait.
        tags: Its subjects. The first one is its group in the graph of a build.
        materialisation: How it is materialized.
        window_column: The day column of a windowed table.
        look_back: Upstream table -> for how many days after its own day a row of it counts here.
        among: For a table over all accounts: an account counts only if it has a row in one of these tables. Changes of
            other accounts elsewhere alter nothing here.
        unique_key: The columns that identify a row.
        affects: The days that a row can alter downstream. Without it, all days of the account.
        daily_days: Days before the newest one that are kept daily. Of older days only month ends are kept; 0 keeps all.
        columns: In the order of the query.
        consumers: Its readers, other tables aside.
        kpis: The KPIs in it.
    """

    description: Annotated[str, Field(pattern=r"^One row per ")]
    owner: str
    tier: Literal["tier_1", "tier_2", "tier_3"]
    tags: Annotated[tuple[Tag, ...], Field(min_length=1)]
    materialisation: Materialisation
    window_column: str = ""
    look_back: dict[str, Annotated[int, Field(ge=1)]] = Field(default={})
    among: tuple[str, ...] = ()
    unique_key: Annotated[tuple[str, ...], Field(min_length=1)]
    affects: Affects | None = None
    daily_days: Annotated[int, Field(ge=0)] = 0
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    consumers: tuple[str, ...] = ()
    kpis: dict[str, Kpi] = Field(default={})

    @property
    def is_windowed(self) -> bool:
        """Whether its rows are replaced by day."""
        return self.materialisation in WINDOWED

    @model_validator(mode="after")
    def _check_consistency(self) -> Metadata:
        if self.is_windowed != bool(self.window_column):
            raise ValueError(
                f"window_column is required for the materialisations {' and '.join(WINDOWED)}, and only for them"
            )
        if self.among and self.materialisation != "period":
            raise ValueError("among is only allowed for the materialisation period")
        if self.affects and (self.is_windowed or self.materialisation == "view"):
            raise ValueError("affects is only allowed for the materialisations account, table and frozen")
        named = {*self.unique_key, self.window_column, self.affects.column if self.affects else ""} - {""}
        unknown = sorted(named - set(self.columns))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is used as key, window or affects, but is not a column")
        if self.materialisation in ("account", "account_day", "frozen") and "account_key" not in self.columns:
            raise ValueError(f"a table of materialisation {self.materialisation} needs the column account_key")
        if self.is_windowed and self.window_column not in self.unique_key:
            raise ValueError("the window column must be part of unique_key")
        return self
