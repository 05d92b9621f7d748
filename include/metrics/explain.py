"""Explain one value of a metric, down to the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include import config
from include.common import quarters
from include.common.errors import ConfigError
from include.common.formatting import kpi_value
from include.common.texts import gettext
from include.entities.catalog import VENDORS, of_kind, raw_table
from include.gate import availability
from include.metrics import overrides
from include.metrics.overrides import Override
from include.models import metrics, registry, restatements, unread
from include.models.metrics import Metric, Target
from include.models.registry import Model
from include.models.restatements import Stage
from include.warehouse.engine import engine, has_table

# Grain -> the account column it groups by.
GROUPED_BY = {"tier": "tier", "csm": "owner_key", "industry": "industry", "region": "region"}
_MASK = "***"
_HAVING = {"boolean": "is true", "text": "is not null", "date": "is not null", "timestamptz": "is not null"}


@dataclass(frozen=True)
class Value:
    """A stored value.

    Args:
        version: Version of the definition.
        value: None if the denominator is zero.
        numerator: The numerator of a ratio, or the amount itself.
        denominator: The denominator of a ratio; None for amounts.
        n: Number of accounts, renewals or tickets behind it.
        coverage: Share of them with all inputs known.
        low: Lower end of the Wilson interval, for shares with a small n.
        high: Upper end.
    """

    version: int
    value: float | None
    numerator: float | None
    denominator: float | None
    n: int
    coverage: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Explained:
    """A value with everything behind it.

    Args:
        period: Length of the period.
        period_start: First day of the period.
        as_of: Last day of the period.
        grain: How accounts are grouped.
        grain_key: The group.
        values: One per version of the definition, the current one first.
        reason: Why there is no value, or none for a later period.
        target: The target for such a period.
        rows: Some of the rows behind it.
        n_rows: Number of all rows behind it.
        lineage: The tables from the value upstream to the sources' records, nearest first.
        past: Former values of the current version, the first reported one first. Empty if the value never changed.
        override: The manual correction in force, if any.
        as_known: The value as known at ``known_at``.
        is_newest: Whether this is the newest period built up to the requested day.
    """

    metric: Metric
    period: str
    period_start: date | None
    as_of: date | None
    grain: str
    grain_key: str
    values: tuple[Value, ...] = ()
    reason: str = ""
    target: Target | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    n_rows: int = 0
    lineage: tuple[str, ...] = ()
    past: tuple[Stage, ...] = ()
    override: Override | None = None
    as_known: Stage | None = None
    is_newest: bool = True

    @property
    def in_force_value(self) -> float | None:
        """The value in force: the manual correction's, if there is one."""
        if self.override:
            return self.override.value
        return self.values[0].value if self.values else None

    @property
    def is_off_target(self) -> bool:
        """Whether the value in force misses its target."""
        return (
            self.target is not None and self.in_force_value is not None and not self.target.is_met(self.in_force_value)
        )


def explain(
    metric_id: str,
    *,
    period: str = "month",
    as_of: date | None = None,
    grain: str = "all",
    key: str = "",
    limit: int = 20,
    known_at: datetime | None = None,
) -> Explained:
    """Return a metric's value for the last period that ended by a day.

    Args:
        period: day, week, month or quarter.
        as_of: The day. The default is the newest.
        grain: all, tier, csm, industry or region.
        key: The group of the grain.
        limit: The most rows behind the value to return.
        known_at: Also return the value as known at this time.

    Raises:
        ConfigError: The metric, period, grain or group does not exist, or the period is not over.
    """
    metric = _checked(metric_id, period, grain)
    with engine("reader").connect() as connection:
        _check_over(connection, period, as_of)
        reason = unavailable(connection, metric)
        lineage = ("marts.kpi_value", *registry.lineage(metric.table))
        if reason:
            return Explained(metric, period, None, as_of, grain, key or "all", reason=reason, lineage=lineage)
        grain_key = _group(connection, metric, grain, key)
        found = connection.execute(
            _VALUES,
            {"metric": metric_id, "period": period, "as_of": as_of or date.max, "grain": grain, "key": grain_key},
        ).all()
        if not found:
            why = f"there is no value for a {period} of {grain_key} that ended by {as_of or 'now'}"
            return Explained(metric, period, None, as_of, grain, grain_key, reason=why, lineage=lineage)
        start, end = found[0].period_start, found[0].as_of
        past = restatements.stages(connection, metric_id, found[0].metric_version, period, end, grain, grain_key)
        override = overrides.of(overrides.in_force(connection, metric_id), metric_id, period, end, grain, grain_key)
        rows, n_rows = _rows_behind(connection, metric, found[0], limit)
        newest = connection.execute(_NEWEST, {"period": period, "as_of": as_of or date.max}).scalar()
        return Explained(
            metric=metric,
            period=period,
            period_start=start,
            as_of=end,
            grain=grain,
            grain_key=grain_key,
            values=tuple(
                Value(
                    row.metric_version,
                    row.value,
                    _float(row.numerator),
                    _float(row.denominator),
                    row.n,
                    row.coverage,
                    row.low,
                    row.high,
                )
                for row in found
            ),
            target=metric.entry.target.get(period),  # type: ignore[call-overload]
            rows=rows,
            n_rows=n_rows,
            lineage=lineage,
            past=tuple(past),
            override=override,
            as_known=restatements.as_known(past, found[0].value, known_at) if known_at else None,
            is_newest=end == newest,
            reason="" if end == newest else unread.why_incomplete(connection, metric.needs),
        )


def _checked(metric_id: str, period: str, grain: str) -> Metric:
    metric = metrics.get(metric_id)
    if period not in metric.periods:
        raise ConfigError(f"{period} is not a period of {metric_id}", cure=f"one of {', '.join(metric.periods)}")
    if grain not in metric.grains:
        raise ConfigError(f"{grain} is not a grain of {metric_id}", cure=f"one of {', '.join(metric.grains)}")
    return metric


def shown(value: float | None, unit: str) -> str:
    """Format a value in its unit, amounts with their currency."""
    text = kpi_value(value, unit)
    return f"{config.load().currency} {text}" if unit == "currency" and value is not None else text


def is_ahead(period: str, as_of: date) -> bool:
    """Return whether the last period that ends by a day is not over on the newest day with figures."""
    with engine("reader").connect() as connection:
        newest = _newest_day(connection)
    return newest is not None and last_end(period, as_of) > newest


def last_end(period: str, day: date) -> date:
    """Return the last day of the newest period that ends by a day."""
    following = day + timedelta(days=1)
    start = {
        "day": following,
        "week": following - timedelta(days=following.weekday()),
        "month": following.replace(day=1),
        "quarter": quarters.start(following),
    }
    return start[period] - timedelta(days=1)


def _check_over(connection: sa.Connection, period: str, as_of: date | None) -> None:
    newest = _newest_day(connection) if as_of else None
    if as_of and newest and last_end(period, as_of) > newest:
        raise ConfigError(
            f"the {period} to {last_end(period, as_of)} is not over: figures go up to {newest}",
            cure="choose an earlier day; `score forecast` shows the renewals of the quarters ahead",
        )


def _newest_day(connection: sa.Connection) -> date | None:
    if not has_table(connection, "marts.kpi_value"):
        return None
    found: date | None = connection.exec_driver_sql("select max(as_of) from marts.kpi_value").scalar()
    return found


def unavailable(connection: sa.Connection, metric: Metric) -> str:
    """Return ``not available: needs ...`` while an entity that the metric needs has no records, else ""."""
    missing = [entity for entity in metric.needs if not has_records(connection, entity)]
    if missing:
        return gettext("not available: needs {needs}", needs=", ".join(missing))
    never = connection.execute(
        sa.text("select exists (select from meta.metric_gap where metric_id = :id and from_day = :never)"),
        {"id": metric.id, "never": unread.NEVER},
    ).scalar()
    if not never:
        return ""
    return gettext("not available: {reason}", reason=unread.why_incomplete(connection, metric.needs))


def has_records(connection: sa.Connection, need: str) -> bool:
    """Return whether any source has loaded a record of an entity, or for ``entity.column`` one with that column filled.

    Tasks count once they are read back from the CRM. Contracts in fields of deals or companies count as deals with
    line items.
    """
    entity, _, column = need.partition(".")
    if need in ("opportunity", availability.LINES) and availability.contracts_without_lines():
        return True
    if entity == metrics.TASK:
        return bool(connection.execute(sa.text("select exists (select from ops.task)")).scalar())
    filled = f" where {column} is not null" if column else ""
    for vendor, kind in sorted(VENDORS.items()):
        if entity not in {each.name for each in of_kind(kind)}:
            continue
        table = f"raw.{raw_table(vendor, entity)}"
        is_filled = sa.text(f"select exists (select from {table}{filled})")  # noqa: S608
        if has_table(connection, table) and connection.execute(is_filled).scalar():
            return True
    return False


def groups(metric_id: str, *, period: str, as_of: date | None, grain: str) -> list[dict[str, Any]]:
    """Return the values of all groups of a grain for the last period that ended by a day, one row per group.

    Raises:
        ConfigError: The metric, period or grain does not exist, or the period is not over.
    """
    metric = _checked(metric_id, period, grain)
    with engine("reader").connect() as connection:
        _check_over(connection, period, as_of)
        corrected = overrides.in_force(connection, metric_id)
        found = connection.execute(
            _GROUPS, {"metric": metric_id, "period": period, "as_of": as_of or date.max, "grain": grain}
        ).all()
    return [
        {
            "as_of": row.as_of,
            grain: row.grain_key,
            **({"name": row.name} if grain == "csm" else {}),
            "value": shown(override.value if override else row.value, metric.entry.unit),
            "numerator": row.numerator,
            "denominator": row.denominator,
            "n": row.n,
            "coverage": f"{row.coverage:.0%}",
            "note": str(override) if override else "",
        }
        for row in found
        for override in [overrides.of(corrected, metric_id, period, row.as_of, grain, row.grain_key)]
    ]


def _group(connection: sa.Connection, metric: Metric, grain: str, key: str) -> str:
    if grain == "all":
        return "all"
    keys = connection.execute(
        sa.text(
            "select distinct grain_key from marts.kpi_value where metric_id = :metric and grain = :grain order by 1"
        ),
        {"metric": metric.id, "grain": grain},
    )
    known = list(keys.scalars())
    if key in known:
        return key
    raise ConfigError(
        f"{key or 'no group'} is not a {grain} of {metric.id}",
        cure=f"--key one of: {', '.join(known[:20])}" if known else "no group has a value yet",
    )


_VALUES = sa.text(
    "select * from marts.kpi_value where metric_id = :metric and period = :period and grain = :grain"
    " and grain_key = :key and as_of = (select max(as_of) from marts.kpi_value where metric_id = :metric"
    " and period = :period and grain = :grain and grain_key = :key and as_of <= :as_of)"
    " order by metric_version desc"
)
_GROUPS = sa.text(
    "select distinct on (grain_key) k.*, o.name from marts.kpi_value as k"
    " left join core.owner as o on k.grain = 'csm' and o.owner_key = k.grain_key"
    " where metric_id = :metric and period = :period and grain = :grain"
    " and as_of = (select max(as_of) from marts.kpi_value where metric_id = :metric"
    " and period = :period and grain = :grain and as_of <= :as_of) order by grain_key, metric_version desc"
)
_NEWEST = sa.text("select max(as_of) from marts.kpi_value where period = :period and as_of <= :as_of")


def _rows_behind(connection: sa.Connection, metric: Metric, value: Any, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return some of the rows behind a value, limited to its group, and the number of all such rows."""
    if not limit:
        return [], 0
    rows = metric.rows
    model = registry.get(rows.table)
    columns = ", ".join(
        f"'{_MASK}' as {name}" if model.metadata.columns[name].sensitivity == "personal" else f"t.{name}"
        for name in rows.columns
    )
    since = {
        "end": f"t.{rows.day} >= :end",
        "trailing": f"t.{rows.day} >= cast(:end as date) - 27",
        "period": f"t.{rows.day} >= :start",
        "until": "true",
        "open": f"(t.{rows.to} is null or t.{rows.to} > :end)",
    }
    where = f"t.{rows.day} <= :end and {since[rows.at]}"
    if rows.having:
        held = model.metadata.columns[rows.having].type
        where += f" and t.{rows.having} {_HAVING.get(held, '> 0')}"
    if "is_deleted" in model.metadata.columns:
        where += " and not t.is_deleted"
    joined, of_group = _of_group(model, rows.at, value.grain)
    body = f"from {rows.table} as t {joined} where {where}{of_group}"
    bound = {
        "start": value.period_start,
        "end": value.as_of,
        "period": value.period,
        "grain": value.grain,
        "key": value.grain_key,
    }
    n_rows = connection.execute(sa.text(f"select count(*) {body}"), bound).scalar() or 0
    found = connection.execute(
        sa.text(f"select {columns} {body} order by 1, 2 limit :limit"),
        {**bound, "limit": limit},
    )
    return [dict(row) for row in found.mappings()], n_rows


def _of_group(model: Model, at: str, grain: str) -> tuple[str, str]:
    """Return a join and a condition that leave only a group's rows."""
    columns = model.metadata.columns
    if "grain_key" in columns:  # a table of sums: the grain `all` lists the sums of its groups
        return "", " and t.period = :period" + (
            " and t.grain = :grain and t.grain_key = :key" if grain != "all" else ""
        )
    if grain == "all" or "account_key" not in columns:
        return "", ""
    if GROUPED_BY[grain] in columns and at != "trailing":
        return "", f" and coalesce(t.{GROUPED_BY[grain]}, 'unknown') = :key"
    # An account belongs to the group it is in at the period's end.
    return (
        "join (select distinct on (account_key) * from core.account_step where from_day <= :end"
        " order by account_key, from_day desc) as g on g.account_key = t.account_key",
        f" and coalesce(g.{GROUPED_BY[grain]}, 'unknown') = :key",
    )


def _float(number: Any) -> float | None:
    return None if number is None else float(number)
