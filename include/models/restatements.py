"""Keep former values of closed periods: one row per restated value, with the reason.

``marts.kpi_value`` holds the current values. When a build changes a value of a closed period that an earlier build has
reported, the former value goes to ``meta.kpi_restatement``. A value as known at any time is the oldest row replaced
after that time, or else the one in the table. A value that never changed has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from include.common.errors import ConfigError
from include.entities.catalog import ENTITIES, raw_table
from include.models import build_store, fingerprints, metrics, registry
from include.models.increments import Build

TABLE = "marts.kpi_value"
_TIME_PASSED = "time passed: a grace period or a deadline ended, or a deletion was confirmed"
_KEY = ("metric_id", "metric_version", "period", "as_of", "grain", "grain_key")


@dataclass(frozen=True)
class Stage:
    """A value and the time until which it was known.

    Args:
        value: The value; None if the denominator was zero.
        known_to: When it was replaced; None for the current value.
        reason: Why it was replaced.
        was_reported: False if the group had no value yet.
    """

    value: float | None
    known_to: datetime | None = None
    reason: str = ""
    was_reported: bool = True


def check_definitions(connection: sa.Connection) -> None:
    """Record the definitions in use, and refuse a definition that changed without a new version.

    Raises:
        ConfigError: A definition changed. The message names file and line of the metric.
    """
    used = {
        (row.metric_id, row.metric_version): row.definition_hash
        for row in connection.execute(sa.text("select * from meta.metric_definition"))
    }
    new = []
    for metric in metrics.load().values():
        for version, definition in metric.definitions.items():
            known = used.get((metric.id, version))
            if known is None:
                fields = {name: getattr(definition, name) for name in metrics.Definition.model_fields}
                new.append(
                    {
                        "metric_id": metric.id,
                        "version": version,
                        "hash": metric.hash(version),
                        "definition": orjson.dumps({"table": metric.table, **fields}).decode(),
                    }
                )
            elif known != metric.hash(version):
                raise ConfigError(
                    f"{metric.place}: {metric.id}: version {version} already has values, but its definition changed",
                    cure=f"make it version {max(metric.definitions) + 1} and move the previous definition to `earlier`",
                )
    if new:
        connection.execute(_RECORD_DEFINITION, new)


def record(connection: sa.Connection, build_id: str) -> int:
    """Keep the values that a replacement of ``marts.kpi_value`` removes. Expects ``removed`` and ``added``.

    Args:
        connection: The builder's transaction that replaces the table.

    Returns:
        The number of metrics with restated values.
    """
    frontier = build_store.frontier(connection)
    if frontier is None:
        return 0
    build = build_store.with_newest(connection, build_id)
    found = connection.execute(
        _RECORD, {"build_id": build_id, "reported_before": frontier.newest_day, "known_at": build.known_at}
    ).scalars()
    restated = set(found)
    if restated:
        reasons = _reasons(connection, build, frontier.known_at, restated)
        connection.execute(
            _EXPLAIN, [{"build_id": build_id, "metric": name, "reason": reason} for name, reason in reasons.items()]
        )
    return len(restated)


def stages(
    connection: sa.Connection, metric_id: str, version: int, period: str, as_of: date, grain: str, grain_key: str
) -> list[Stage]:
    """Return a value's former stages, the first reported one first; empty if it never changed."""
    rows = connection.execute(
        _STAGES,
        {
            "metric_id": metric_id,
            "metric_version": version,
            "period": period,
            "as_of": as_of,
            "grain": grain,
            "grain_key": grain_key,
        },
    )
    return [Stage(row.value, row.known_to, row.reason, row.was_reported) for row in rows]


def as_known(past: list[Stage], present: float | None, moment: datetime) -> Stage:
    """Return a value as known at a time."""
    return next((stage for stage in past if stage.known_to and stage.known_to > moment), Stage(present))


def _reasons(connection: sa.Connection, build: Build, since: datetime, restated: set[str]) -> dict[str, str]:
    """Return why each metric's values changed: the new data and redefinitions in its own lineage."""
    redefined = fingerprints.redefined(connection, build.build_id)
    if own := fingerprints.change(connection, registry.get(TABLE)):  # only recorded after the values are written
        redefined[TABLE] = own
    bound = {"build_id": build.build_id, "since": since, "known_at": build.known_at}
    changed = {f"raw.{row.entity}": _describe(connection, row) for row in connection.execute(_CHANGED, bound)}
    known = metrics.load()
    found = {}
    if_nothing = "rebuild of past days" if build.kind == "rebuild" else _TIME_PASSED
    for name in restated:
        lineage = {TABLE, *registry.lineage(known[name].table)} if name in known else {*changed, *redefined}
        parts = [f"{each.removeprefix('meta.')}: {redefined[each]}" for each in sorted(redefined.keys() & lineage)]
        parts += [changed[origin] for origin in sorted(changed.keys() & lineage)]
        found[name] = "; ".join(parts) or if_nothing
    return found


def _describe(connection: sa.Connection, row: Any) -> str:
    """Describe what happened to an entity's records: accounts merged, records edited, or rows late."""
    who = f"{row.n_accounts} account{'' if row.n_accounts == 1 else 's'}"
    entity = ENTITIES.get(row.entity)
    if row.entity == "account" and row.n_merges:
        return f"merge of accounts ({who})"
    if entity and entity.history and _is_edit(connection, row):
        return f"back-dated edit of {row.entity} ({who})"
    return f"late rows of {row.entity} ({who})"


def _is_edit(connection: sa.Connection, row: Any) -> bool:
    """Return whether a batch changed a record that was known before."""
    for vendor in row.vendors:
        table = f"raw.{raw_table(vendor, row.entity)}__version"
        statement = sa.text(
            f"select exists (select from {table} as v join {table} as b"  # noqa: S608 - names of known vendors
            " on b.source = v.source and b.id = v.id and b._batch_id < v._batch_id where v._batch_id = any(:batches))"
        )
        if connection.execute(statement, {"batches": list(row.batches)}).scalar():
            return True
    return False


_SAME = " and ".join(f"a.{name} = r.{name}" for name in _KEY)
_RECORD = sa.text(
    f"""
    with changed as (
        select
            coalesce(r.metric_id, a.metric_id) as metric_id,
            coalesce(r.metric_version, a.metric_version) as metric_version,
            coalesce(r.period, a.period) as period,
            coalesce(r.period_start, a.period_start) as period_start,
            coalesce(r.as_of, a.as_of) as as_of,
            coalesce(r.grain, a.grain) as grain,
            coalesce(r.grain_key, a.grain_key) as grain_key,
            r.metric_id is not null as was_reported,
            r.value, r.numerator, r.denominator, r.n, r.coverage
        from removed as r full join added as a on {_SAME}
        where (r.value, r.numerator, r.denominator) is distinct from (a.value, a.numerator, a.denominator)
            or r.metric_id is null or a.metric_id is null
    ),
    kept as (
        insert into meta.kpi_restatement (metric_id, metric_version, period, period_start, as_of, grain, grain_key,
            was_reported, value, numerator, denominator, n, coverage, known_to, reason, build_id)
        select x.*, cast(:known_at as timestamptz), '', :build_id
        from changed as x
        join meta.metric_definition as d using (metric_id, metric_version)
        where x.as_of < :reported_before
            -- A metric's first values restate nothing; a group that comes to be among others does.
            and (x.was_reported or exists (
                select from {TABLE} as t
                where t.metric_id = x.metric_id and t.metric_version = x.metric_version and t.period = x.period
                    and t.as_of = x.as_of and t.grain = x.grain
                    and not exists (
                        select from changed as y
                        where y.metric_id = t.metric_id and y.metric_version = t.metric_version
                            and y.period = t.period and y.as_of = t.as_of and y.grain = t.grain
                            and y.grain_key = t.grain_key and not y.was_reported
                    )
            ))
        returning metric_id
    )
    select distinct metric_id from kept
    """  # noqa: S608 - names of this file
)
_EXPLAIN = sa.text(
    "update meta.kpi_restatement set reason = :reason"
    " where build_id = :build_id and metric_id = :metric and reason = ''"
)
_RECORD_DEFINITION = sa.text(
    "insert into meta.metric_definition (metric_id, metric_version, definition_hash, definition)"
    " values (:metric_id, :version, :hash, cast(:definition as jsonb)) on conflict do nothing"
)
_STAGES = sa.text(
    "select value, known_to, reason, was_reported from meta.kpi_restatement where"  # noqa: S608 - names of this file
    f" {' and '.join(f'{name} = :{name}' for name in _KEY)} order by restatement_id"
)
_CHANGED = sa.text(
    """
    select
        b.entity,
        array_agg(b.batch_id) as batches,
        array_agg(distinct b.vendor) as vendors,
        (select count(distinct c.account_key) from meta.build_change as c
         where c.build_id = :build_id and c.origin = 'raw.' || b.entity) as n_accounts,
        (select count(*) from meta.account_merge_history as m where m.batch_id = any(array_agg(b.batch_id))) as n_merges
    from meta.batch as b
    where b.state = 'merged'
        and b.merged_at > :since
        and b.merged_at <= :known_at
        and (b.n_merged > 0 or b.n_deleted > 0)
    group by b.entity
    """
)
