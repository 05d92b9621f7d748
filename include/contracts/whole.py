"""Rules on a whole batch: its volume, its columns, and its difference from the stored rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from include.contracts import exempt, levels
from include.contracts.limits import CATEGORIES, STABLE
from include.contracts.rule import BATCH, FEATURE, SILENT, BatchFacts, Expect, Rule, literal, none, rule, warn
from include.entities.catalog import Entity

SHARE_OF_BAD_ROWS = "share_of_bad_rows"
# Fewer rows than this say nothing about the share of empty values.
_FEWEST_ROWS = 50
_ACCEPT = "`batch accept ID --reason ...`"
_DROP = "`batch drop ID --reason ...` and read again"


def rules(entity: Entity) -> tuple[Rule, ...]:
    return (*_counted(entity), *_filled(entity), *_volume(entity), *(_days(entity) if _is_daily(entity) else ()))


def _counted(entity: Entity) -> Iterable[Rule]:
    yield rule(
        entity.name,
        SHARE_OF_BAD_ROWS,
        lambda facts: None,  # validate.py counts these from the results of the row rules
        "too many rows break critical rules",
        why="so many bad rows usually have one cause, which may affect the passing rows too",
        cure=f"fix the source or the mapping and {_DROP}; {_ACCEPT} merges the good rows and leaves the bad ones in "
        "quarantine",
        scope="batch",
    )
    yield rule(
        entity.name,
        "deletions_few",
        _deletions_few,
        "an unusually large share of all records was deleted",
        why="a filter, a lost permission or a partial export looks like a mass deletion, and thus like churn",
        cure=f"compare with the source's own count; {_ACCEPT} if they were deleted on purpose, else fix the "
        f"access and {_DROP}",
        scope="batch",
    )
    yield warn(
        entity.name,
        "id_once",
        _id_once,
        "the query returns several rows with the same id",
        why="only the row that changed last is kept, so sums and counts are too low",
        cure="fix the query: a join may repeat the id; group its rows, or select a unique id",
        scope="batch",
    )
    yield rule(
        entity.name,
        "clocks_agree",
        _clocks_agree,
        "the source's clock is ahead of ours in many rows",
        why="a time zone error: events seem to happen later than they did, and ages and reply times are off by hours",
        cure=f"correct the time zone of the export, then {_DROP}",
        scope="batch",
    )


def _filled(entity: Entity) -> Iterable[Rule]:
    yield rule(
        entity.name,
        "columns_filled",
        _columns_filled,
        "columns that used to be filled are empty in every row",
        why="a field was renamed or is no longer readable: merging would overwrite the stored values with nulls",
        cure=f"check that the source still has the field and this login may read it, fix the mapping, "
        f"then {_DROP}; {_ACCEPT} if the field is no longer used",
        scope="batch",
    )
    yield rule(
        entity.name,
        "nulls_usual",
        _nulls_usual,
        "columns that almost every record fills are empty in most rows",
        why="a partial export or a moved field: merging would overwrite stored values with nulls",
        cure=f"find out why they are empty; {_ACCEPT} if it is intended, else fix it and {_DROP}",
        scope="batch",
    )
    if entity.name in CATEGORIES:
        yield rule(
            entity.name,
            "values_familiar",
            _values_familiar,
            "most values of a column with few distinct values are new",
            why="two columns were swapped, picklist values renamed, or another currency is sent: sums would be wrong",
            cure=f"translate the new values in the mapping under `values` and {_DROP}; {_ACCEPT} if they are correct",
            scope="batch",
        )
    if entity.name in STABLE:
        yield rule(
            entity.name,
            "facts_stable",
            _facts_stable,
            "a fact that rarely changes differs in most of the known records",
            why="swapped columns, another currency, a shifted date or zone change all records at once; people do not",
            cure=f"compare a few records with the source; {_ACCEPT} if the change is intended, else fix it and {_DROP}",
            scope="batch",
        )


def _volume(entity: Entity) -> Iterable[Rule]:
    if not _is_daily(entity):
        yield rule(
            entity.name,
            "growth_plausible",
            _growth_plausible,
            "an unusually large share of the records is new",
            why="a source that was imported or connected twice doubles all counts and amounts",
            cure=f"find out where the new records come from; {_ACCEPT} if they are real, else restrict the connection "
            f"to the right system and {_DROP}",
            scope="batch",
        )
    yield warn(
        entity.name,
        "volume_usual",
        _volume_usual,
        "far more rows than on the same weekday, or in any read, of the last weeks",
        why="a bulk change or a broken incremental read: harmless for the figures, but worth a look",
        cure="find out who changed so many records at once",
        scope="batch",
    )


def _days(entity: Entity) -> Iterable[Rule]:
    yield rule(
        entity.name,
        "day_complete",
        _day_complete,
        "the newest complete day has far fewer or far more rows than the same weekday in the weeks before",
        why="a partial delivery looks like customers who stopped working, a duplicate one like growth",
        cure=f"check that the job that fills the table has finished, then {_DROP}; {_ACCEPT} if the day is right",
        scope="batch",
    )
    if "feature" in entity.column_names:
        yield rule(
            entity.name,
            "feature_measured",
            _feature_measured,
            "at least half of the accounts that use a feature on this weekday stopped using it on the same day",
            why="customers do not all stop at once: the event was renamed or is no longer sent",
            cure="compare the tracking plan with the events sent; its signals stay on hold until it is used again",
            scope="feature",
        )


def _is_daily(entity: Entity) -> bool:
    # Daily facts come in any number. Their keys contain the day, so reading them twice does not double them.
    return "day" in entity.column_names


def _columns_filled(facts: BatchFacts) -> Expect | None:
    return _too_empty(facts.filled, facts.limits.vanished_rows, "empty.n = counted.n_")


def _nulls_usual(facts: BatchFacts) -> Expect | None:
    # The rule above covers columns that are entirely empty.
    share = facts.limits.emptied_share
    return _too_empty(facts.well_filled, _FEWEST_ROWS, f"empty.n < counted.n_ and empty.n > {share} * counted.n_")


def _too_empty(columns: tuple[str, ...], fewest: int, condition: str) -> Expect | None:
    if not columns:
        return None
    counts = ", ".join(f"count(*) - count({column}) as {column}" for column in columns)
    return none(
        f"select empty.name as column_name from (select count(*) as n_, {counts} from {BATCH} where not _is_deleted)"  # noqa: S608
        " as counted, lateral (select key as name, cast(value as bigint) as n"
        " from jsonb_each_text(to_jsonb(counted) - 'n_')) as empty"
        f" where counted.n_ >= {fewest} and {condition}"
    )


def _values_familiar(facts: BatchFacts) -> Expect | None:
    limits, parts = facts.limits, []
    for column, values in facts.values.items():
        listed = ", ".join(literal(value) for value in values)
        parts.append(
            f"select '{column}' as column_name from {BATCH} where not _is_deleted and {column} <> ''"  # noqa: S608
            f" having count(*) filter (where {column} not in ({listed}))"
            f" > greatest({limits.strange_rows}, {limits.strange_share} * count(*))"
        )
    return none(" union all ".join(parts)) if parts else None


def _facts_stable(facts: BatchFacts) -> Expect | None:
    if facts.is_first_load or not facts.n_stored:
        return None
    limits, columns = facts.limits, STABLE[facts.entity.name]
    changed = ", ".join(f"count(*) filter (where batch.{each} <> stored.{each}) as {each}" for each in columns)
    pairs = (
        f"select count(*) as n_, {changed} from {BATCH}, {facts.raw} as stored"  # noqa: S608
        f" where stored.source = {literal(facts.source)} and stored.id = batch.id"
        " and not batch._is_deleted and not stored._is_deleted"
    )
    return none(
        f"select changed.key as column_name from ({pairs}) as counted,"  # noqa: S608
        " lateral jsonb_each_text(to_jsonb(counted) - 'n_') as changed"
        f" where cast(changed.value as bigint) > greatest({limits.changed_rows}, {limits.changed_share} * counted.n_)"
    )


def _id_once(facts: BatchFacts) -> Expect | None:
    # A vendor's API may return a record twice if it changed during the read.
    if not facts.is_queried:
        return None
    return none(
        f"select id, count(*) as n_rows from {BATCH} where not _is_deleted and id <> '' group by id having count(*) > 1"  # noqa: S608
    )


def _clocks_agree(facts: BatchFacts) -> Expect | None:
    if facts.until is None:
        return None
    latest = facts.until + timedelta(minutes=facts.limits.ahead_minutes)
    ahead = f"count(*) filter (where _source_at > cast({literal(latest.isoformat())} as timestamptz))"
    limits = facts.limits
    return none(
        f"select {ahead} as n_ahead from {BATCH}"  # noqa: S608
        f" having {ahead} > greatest({limits.strange_rows}, 0.2 * count(*))"
    )


def _deletions_few(facts: BatchFacts) -> Expect | None:
    if facts.is_first_load or not facts.n_stored:
        return None
    limit = max(facts.limits.deleted_rows, int(facts.n_stored * facts.limits.deleted_share))
    stored = f"stored.source = {literal(facts.source)} and not stored._is_deleted"
    owned = exempt.has_owner(facts.entity, "stored")
    stored += f" and {owned}" if owned else ""
    gone = (
        f"select stored.id from {facts.raw} as stored where {stored}"  # noqa: S608
        f" and exists (select from {BATCH} where batch.id = stored.id and batch._is_deleted)"
    )
    if facts.is_full_end:
        met = f"{facts.seen} as batch" if facts.seen else _all(facts)
        gone += (
            f" union select stored.id from {facts.raw} as stored where {stored}"  # noqa: S608
            f" and not exists (select from {met} where batch.id = stored.id)"
        )
    return none(f"with gone as ({gone}) select id from gone where (select count(*) from gone) > {limit}")  # noqa: S608


def _growth_plausible(facts: BatchFacts) -> Expect | None:
    if facts.is_first_load or not facts.n_stored:
        return None
    limit = max(facts.limits.new_rows, int(facts.n_stored * facts.limits.new_share))
    new = (
        f"select batch.id from {BATCH} where not batch._is_deleted"  # noqa: S608
        f" and not exists (select from {facts.raw} as stored"
        f" where stored.source = {literal(facts.source)} and stored.id = batch.id)"
    )
    return none(f"with new as ({new}) select id from new where (select count(distinct id) from new) > {limit}")  # noqa: S608


def _volume_usual(facts: BatchFacts) -> Expect | None:
    if facts.is_first_load or facts.is_full:
        return None
    limits, most = facts.limits, []
    if facts.largest_read is not None:
        most.append(limits.unusual_times * facts.largest_read)
    if facts.largest_weekday is not None:
        before = facts.n_today - facts.n_rows
        most.append(limits.unusual_times * facts.largest_weekday - before)
    if not most:
        return None
    return Expect("ExpectTableRowCountToBeBetween", {"max_value": int(max(limits.unusual_rows, min(most)))})


def _all(facts: BatchFacts) -> str:
    """Return the whole batch. A row that a person decided on is still present in the source."""
    return f"{facts.table} as batch {SILENT}" if facts.table else BATCH


def _weekdays(facts: BatchFacts, newest: date, columns: str) -> str:
    """Return the rows of a day and of the same weekdays before it, landed or stored."""
    days = ", ".join(f"'{newest - timedelta(weeks=week)}'" for week in range(levels.WEEKS + 1))
    return (
        f"select {columns} from {_all(facts)} where not _is_deleted and day in ({days})"  # noqa: S608
        f" union select {columns} from {facts.raw} as stored"
        f" where source = {literal(facts.source)} and not _is_deleted and day in ({days})"
    )


def _day_complete(facts: BatchFacts) -> Expect | None:
    day = facts.complete_day
    if day is None or facts.is_first_load:
        return None
    usual = levels.unusual(facts.days, day, facts.accepted_days, facts.limits)
    return none(
        f"select cast('{day}' as date) as day, {facts.days.get(day, 0)} as n, {usual or 0:.1f} as usual"
        f" where {usual is not None} {SILENT}"
    )


def _feature_measured(facts: BatchFacts) -> Expect | None:
    if facts.complete_day is None or facts.is_first_load:
        return None
    limits, day = facts.limits, f"cast('{facts.complete_day}' as date)"
    # More than one of the weekdays may have been a holiday, so three of four are enough.
    return none(
        f"with used as ({_weekdays(facts, facts.complete_day, f'{FEATURE} as feature, account_id, day')}),"  # noqa: S608
        f" usual as (select feature, account_id from used where day < {day} and feature <> ''"
        f" group by feature, account_id having count(*) >= {levels.WEEKS - 1})"
        " select feature, count(*) as n_usual, count(*) filter (where not exists (select from used as now"
        f" where now.day = {day} and now.feature = usual.feature and now.account_id = usual.account_id)) as n_silent"
        " from usual group by feature"
        f" having count(*) >= {limits.break_accounts} and count(*) filter (where not exists (select from used as now"
        f" where now.day = {day} and now.feature = usual.feature and now.account_id = usual.account_id))"
        f" >= {limits.break_share} * count(*)"
    )
