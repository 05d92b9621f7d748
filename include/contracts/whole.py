"""Rules on a whole batch: its volume, its columns, and its difference from the stored rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from include.contracts import aside, levels
from include.contracts.limits import CATEGORIES, STABLE
from include.contracts.rule import BATCH, SILENT, Expect, Known, Rule, literal, none, rule, warn
from include.entities.catalog import Entity

SHARE_OF_BAD_ROWS = "share_of_bad_rows"
# Fewer rows than this say nothing about the share of empty values.
_FEWEST_ROWS = 50
_DECIDE = "`batch accept ID --reason ...`"
_DROP = "`batch drop ID --reason ...` and read again"


def rules(entity: Entity) -> tuple[Rule, ...]:
    return (*_counted(entity), *_filled(entity), *_volume(entity), *(_days(entity) if _is_daily(entity) else ()))


def _counted(entity: Entity) -> Iterable[Rule]:
    yield rule(
        entity.name,
        SHARE_OF_BAD_ROWS,
        lambda known: None,  # validate.py counts these from the results of the row rules
        "too many rows break critical rules",
        why="so many bad rows come from one cause, and the rows that pass may have it too",
        cure=f"fix the source or the mapping and {_DROP}; {_DECIDE} merges the good rows and leaves the bad ones in "
        "quarantine",
        scope="batch",
    )
    yield rule(
        entity.name,
        "deletions_few",
        _deletions_few,
        "an unusual share of all records is gone",
        why="a filter, a lost permission or half an export looks like a mass deletion, and so like churn",
        cure=f"compare the source's own count; {_DECIDE} if they were deleted on purpose, else fix the "
        f"access and {_DROP}",
        scope="batch",
    )
    yield warn(
        entity.name,
        "id_once",
        _id_once,
        "the query gives several rows of the same id",
        why="the one that changed last is kept and the others are not, so that sums and counts are too low",
        cure="correct the query: a join that finds several rows repeats the id; group them, or select a unique id",
        scope="batch",
    )
    yield rule(
        entity.name,
        "clocks_agree",
        _clocks_agree,
        "the source's clock is ahead of ours in many rows",
        why="a time zone error: what happens now seems to happen later, and ages and reply times are wrong by hours",
        cure=f"correct the time zone of the export, then {_DROP}",
        scope="batch",
    )


def _filled(entity: Entity) -> Iterable[Rule]:
    yield rule(
        entity.name,
        "columns_filled",
        _columns_filled,
        "columns that used to be filled are empty in every row",
        why="a field was renamed, or may no longer be read: merged, it would wipe the values that are stored",
        cure=f"see whether the source still has the field and shows it to this login, correct the mapping, "
        f"then {_DROP}; {_DECIDE} if the field is not kept any more",
        scope="batch",
    )
    yield rule(
        entity.name,
        "nulls_usual",
        _nulls_usual,
        "columns that nearly every record fills are empty in most rows",
        why="half an export, or a field that moved: merged, it would wipe values that are stored",
        cure=f"see what has emptied them; {_DECIDE} if it was meant, else fix it and {_DROP}",
        scope="batch",
    )
    if entity.name in CATEGORIES:
        yield rule(
            entity.name,
            "values_familiar",
            _values_familiar,
            "most values of a column that knows few were never seen before",
            why="two columns were swapped, a list of values renamed, or another currency is sent: sums break",
            cure=f"translate new names in the mapping under `values` and {_DROP}; {_DECIDE} if they shall stand so",
            scope="batch",
        )
    if entity.name in STABLE:
        yield rule(
            entity.name,
            "facts_stable",
            _facts_stable,
            "a fact that hardly ever changes differs in most of the known records",
            why="a swapped column, another currency, a shifted date or zone changes all records at once; people do not",
            cure=f"compare a few records in the source; {_DECIDE} if it was meant, else fix it and {_DROP}",
            scope="batch",
        )


def _volume(entity: Entity) -> Iterable[Rule]:
    if not _is_daily(entity):
        yield rule(
            entity.name,
            "growth_plausible",
            _growth_plausible,
            "an unusual share of the records is new",
            why="a source that was imported or connected twice doubles every count and amount",
            cure=f"see where the new records come from; {_DECIDE} if they are real, else let the connection "
            f"read the right system only and {_DROP}",
            scope="batch",
        )
    yield warn(
        entity.name,
        "volume_usual",
        _volume_usual,
        "far more rows than on any such weekday, or in any read, of the trailing weeks",
        why="a bulk change or a broken incremental read: harmless to the numbers, but worth a look",
        cure="see who changed so many records at once",
        scope="batch",
    )


def _days(entity: Entity) -> Iterable[Rule]:
    yield rule(
        entity.name,
        "day_complete",
        _day_complete,
        "the newest complete day has far fewer or far more rows than the same weekdays before",
        why="half a delivery looks like customers who stopped working, a doubled one like growth",
        cure=f"see whether the job that fills the table has ended, then {_DROP}; {_DECIDE} if the day really was so",
        scope="batch",
    )
    if "feature" in entity.column_names:
        yield rule(
            entity.name,
            "feature_measured",
            _feature_measured,
            "at least half of the accounts that use a feature on this weekday fell silent in it at once",
            why="customers do not stop together: the event was renamed or is no longer sent",
            cure="compare the tracking plan with what the product sends; its signals are held until it is used again",
            scope="feature",
        )


def _is_daily(entity: Entity) -> bool:
    # Daily facts come in any number. Their keys contain the day, so reading them twice does not double them.
    return "day" in entity.column_names


def _columns_filled(known: Known) -> Expect | None:
    return _too_empty(known.filled, known.limits.vanished_rows, "empty.n = counted.n_")


def _nulls_usual(known: Known) -> Expect | None:
    # The rule above covers columns that are entirely empty.
    share = known.limits.emptied_share
    return _too_empty(known.well_filled, _FEWEST_ROWS, f"empty.n < counted.n_ and empty.n > {share} * counted.n_")


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


def _values_familiar(known: Known) -> Expect | None:
    limits, parts = known.limits, []
    for column, values in known.values.items():
        listed = ", ".join(literal(value) for value in values)
        parts.append(
            f"select '{column}' as column_name from {BATCH} where not _is_deleted and {column} <> ''"  # noqa: S608
            f" having count(*) filter (where {column} not in ({listed}))"
            f" > greatest({limits.strange_rows}, {limits.strange_share} * count(*))"
        )
    return none(" union all ".join(parts)) if parts else None


def _facts_stable(known: Known) -> Expect | None:
    if known.is_first_load or not known.n_stored:
        return None
    limits, columns = known.limits, STABLE[known.entity.name]
    changed = ", ".join(f"count(*) filter (where batch.{each} <> stored.{each}) as {each}" for each in columns)
    pairs = (
        f"select count(*) as n_, {changed} from {BATCH}, {known.raw} as stored"  # noqa: S608
        f" where stored.source = {literal(known.source)} and stored.id = batch.id"
        " and not batch._is_deleted and not stored._is_deleted"
    )
    return none(
        f"select changed.key as column_name from ({pairs}) as counted,"  # noqa: S608
        " lateral jsonb_each_text(to_jsonb(counted) - 'n_') as changed"
        f" where cast(changed.value as bigint) > greatest({limits.changed_rows}, {limits.changed_share} * counted.n_)"
    )


def _id_once(known: Known) -> Expect | None:
    # A vendor's API may return a record twice if it changed during the read.
    if not known.is_queried:
        return None
    return none(
        f"select id, count(*) as n_rows from {BATCH} where not _is_deleted and id <> '' group by id having count(*) > 1"  # noqa: S608
    )


def _clocks_agree(known: Known) -> Expect | None:
    if known.until is None:
        return None
    latest = known.until + timedelta(minutes=known.limits.ahead_minutes)
    ahead = f"count(*) filter (where _source_at > cast({literal(latest.isoformat())} as timestamptz))"
    limits = known.limits
    return none(
        f"select {ahead} as n_ahead from {BATCH}"  # noqa: S608
        f" having {ahead} > greatest({limits.strange_rows}, 0.2 * count(*))"
    )


def _deletions_few(known: Known) -> Expect | None:
    if known.is_first_load or not known.n_stored:
        return None
    limit = max(known.limits.deleted_rows, int(known.n_stored * known.limits.deleted_share))
    stored = f"stored.source = {literal(known.source)} and not stored._is_deleted"
    owned = aside.is_owned(known.entity, "stored")
    stored += f" and {owned}" if owned else ""
    gone = (
        f"select stored.id from {known.raw} as stored where {stored}"  # noqa: S608
        f" and exists (select from {BATCH} where batch.id = stored.id and batch._is_deleted)"
    )
    if known.is_full_end:
        met = f"{known.seen} as batch" if known.seen else _all(known)
        gone += (
            f" union select stored.id from {known.raw} as stored where {stored}"  # noqa: S608
            f" and not exists (select from {met} where batch.id = stored.id)"
        )
    return none(f"with gone as ({gone}) select id from gone where (select count(*) from gone) > {limit}")  # noqa: S608


def _growth_plausible(known: Known) -> Expect | None:
    if known.is_first_load or not known.n_stored:
        return None
    limit = max(known.limits.new_rows, int(known.n_stored * known.limits.new_share))
    new = (
        f"select batch.id from {BATCH} where not batch._is_deleted"  # noqa: S608
        f" and not exists (select from {known.raw} as stored"
        f" where stored.source = {literal(known.source)} and stored.id = batch.id)"
    )
    return none(f"with new as ({new}) select id from new where (select count(distinct id) from new) > {limit}")  # noqa: S608


def _volume_usual(known: Known) -> Expect | None:
    if known.is_first_load or known.is_full:
        return None
    limits, most = known.limits, []
    if known.largest_read is not None:
        most.append(limits.unusual_times * known.largest_read)
    if known.largest_weekday is not None:
        before = known.n_today - known.n_rows
        most.append(limits.unusual_times * known.largest_weekday - before)
    if not most:
        return None
    return Expect("ExpectTableRowCountToBeBetween", {"max_value": int(max(limits.unusual_rows, min(most)))})


def _all(known: Known) -> str:
    """Return the whole batch. A row that a person decided on is still present in the source."""
    return f"{known.table} as batch {SILENT}" if known.table else BATCH


def _weekdays(known: Known, newest: date, columns: str) -> str:
    """Return the rows of a day and of the same weekdays before it, landed or stored."""
    days = ", ".join(f"'{newest - timedelta(weeks=week)}'" for week in range(levels.WEEKS + 1))
    return (
        f"select {columns} from {_all(known)} where not _is_deleted and day in ({days})"  # noqa: S608
        f" union select {columns} from {known.raw} as stored"
        f" where source = {literal(known.source)} and not _is_deleted and day in ({days})"
    )


def _day_complete(known: Known) -> Expect | None:
    day = known.complete_day
    if day is None or known.is_first_load:
        return None
    usual = levels.unusual(known.days, day, known.accepted_days, known.limits)
    return none(
        f"select cast('{day}' as date) as day, {known.days.get(day, 0)} as n, {usual or 0:.1f} as usual"
        f" where {usual is not None} {SILENT}"
    )


def _feature_measured(known: Known) -> Expect | None:
    if known.complete_day is None or known.is_first_load:
        return None
    limits, day = known.limits, f"cast('{known.complete_day}' as date)"
    # More than one of the weekdays may have been a holiday, so three of four are enough.
    return none(
        f"with used as ({_weekdays(known, known.complete_day, 'feature, account_id, day')}),"  # noqa: S608
        f" usual as (select feature, account_id from used where day < {day} and feature <> ''"
        f" group by feature, account_id having count(*) >= {levels.WEEKS - 1})"
        " select feature, count(*) as n_usual, count(*) filter (where not exists (select from used as now"
        f" where now.day = {day} and now.feature = usual.feature and now.account_id = usual.account_id)) as n_silent"
        " from usual group by feature"
        f" having count(*) >= {limits.break_accounts} and count(*) filter (where not exists (select from used as now"
        f" where now.day = {day} and now.feature = usual.feature and now.account_id = usual.account_id))"
        f" >= {limits.break_share} * count(*)"
    )
