"""Store the results of rules, and move bad rows to quarantine with a readable reason."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from include.contracts import exempt
from include.contracts.engine import Outcome
from include.contracts.rule import BatchFacts, Rule
from include.entities.catalog import Entity

# Above these numbers per batch and rule, and in all, a bad row keeps only its number and the reason.
ROWS_KEPT = 1_000
MAX_KEPT = 100_000
_SHOWN = 80
# Line ends and direction marks could forge messages and logs.
_CONTROLS = r"[\u0001-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+"


def clear(connection: Connection, facts: BatchFacts, table: str) -> None:
    """Remove the results of an earlier check of the same batch."""
    for statement in ("delete from meta.rule_result", "delete from quarantine.record"):
        connection.execute(sa.text(f"{statement} where batch_id = :id"), {"id": facts.batch_id})
    if facts.is_marked:
        connection.execute(sa.text(f"update raw.{table} set _failed = null where _failed is not null"))  # noqa: S608


def write_results(
    connection: Connection, facts: BatchFacts, outcomes: Iterable[Outcome], observed: dict[str, str]
) -> None:
    """Write one result per rule.

    Args:
        connection: In the batch's transaction.
        facts: The batch.
        outcomes: The results of its checks.
        observed: Rule id -> details for people, beyond the counts.
    """
    rows = [
        {
            "batch_id": facts.batch_id,
            "rule_id": outcome.check.rule.id,
            "severity": outcome.check.rule.severity,
            "is_passed": outcome.is_passed,
            "n_rows": outcome.n_rows,
            "n_bad": outcome.n_bad,
            "observed": observed.get(outcome.check.rule.id, "")[:500],
            "now": facts.now,
        }
        for outcome in outcomes
    ]
    if rows:
        connection.execute(_RESULT, rows)


def quarantine(
    connection: Connection, facts: BatchFacts, table: str, bad: dict[Rule, tuple[Outcome, list[int]]]
) -> tuple[int, int]:
    """Put bad rows in quarantine, and mark them in the batch so that the merge skips them.

    Rows with a waiver are recorded too, but not marked.

    Args:
        connection: In the batch's transaction.
        facts: The batch.
        table: Its table, without schema.
        bad: Rule -> its result and the numbers of the rows that break it.

    Returns:
        The number of skipped rows, and the number of those that are new in quarantine and count against the batch.
    """
    if not bad:
        return 0, 0
    remaining = MAX_KEPT - connection.execute(_KEPT).scalar_one()
    for rule, (outcome, rows) in bad.items():
        kept = min(ROWS_KEPT, max(0, remaining))
        remaining -= min(kept, len(rows))
        shown = outcome.check.expect.columns
        account = f"landed.{facts.entity.account_column}" if facts.entity.account_column else "null"
        content = exempt.content("numbered.landed")
        query = _INSERT.format(table=table, account=account, shown=_shown(facts.entity, shown), content=content)
        connection.execute(
            sa.text(query).bindparams(sa.bindparam("rows", type_=ARRAY(sa.BigInteger))),
            {
                "batch_id": facts.batch_id,
                "source": facts.source,
                "entity": facts.entity.name,
                "rule_id": rule.id,
                "says": rule.says,
                "rows": rows,
                "kept": kept,
                "now": facts.now,
            },
        )
    values = {"batch_id": facts.batch_id, "source": facts.source, "entity": facts.entity.name, "now": facts.now}
    connection.execute(_APPLY_WAIVERS, values)
    connection.execute(_APPLY_DROPS, values)
    connection.execute(sa.text(_MARK.format(table=table)), values)
    n_new = exempt.count_new(connection, facts)
    connection.execute(_REPLACE, values)
    return connection.execute(_COUNT, values).scalar_one(), n_new


def _shown(entity: Entity, columns: Iterable[str]) -> str:
    """Return the SQL that shows a row's values in some columns. Columns that identify a person are left out."""
    parts = []
    for column in columns:
        if column == "_problems":
            hidden = ", ".join(f"'{name}'" for name in entity.sensitive or ("",))
            parts.append(_PROBLEMS.format(hidden=hidden, plain=_plain("replace(problem, '=', ': ')")))
        elif column not in entity.sensitive:
            name = "last changed" if column == "_source_at" else column
            parts.append(f"'{name}: ' || coalesce({_plain(f'cast(landed.{column} as text)')}, 'empty')")
    return f"nullif(concat_ws(', ', {', '.join(parts)}), '')" if parts else "null"


def _plain(text: str) -> str:
    return f"left(regexp_replace({text}, '{_CONTROLS}', ' ', 'g'), {_SHOWN})"


_PROBLEMS = """(
        select string_agg(
            case
                when split_part(problem, '=', 1) in ({hidden}) then split_part(problem, '=', 1) || ': (not shown)'
                else {plain}
            end, ', ' order by problem
        )
        from unnest(landed._problems) as problem
    )"""

_RESULT = sa.text(
    """
    insert into meta.rule_result (batch_id, rule_id, severity, is_passed, n_rows, n_bad, observed, checked_at)
    values (:batch_id, :rule_id, :severity, :is_passed, :n_rows, :n_bad, :observed, :now)
    """
)

# Each bad row is recorded at least once. Above ROWS_KEPT, its further broken rules are not.
_INSERT = """
insert into quarantine.record
    (batch_id, row_no, source, entity, record_id, account_ref, source_at, rule_id, reason, record, content,
    quarantined_at)
select
    :batch_id, numbered._row, :source, :entity, numbered.id, numbered.account_ref, numbered._source_at, :rule_id,
    :says || coalesce(' (' || numbered.shown || ')', ''),
    case when numbered.place <= :kept then to_jsonb(numbered.landed) - '_failed' end,
    {content},
    :now
from (
    select
        landed, landed._row, landed.id, {account} as account_ref, landed._source_at, {shown} as shown,
        row_number() over (order by landed._row) as place
    from raw.{table} as landed
    join unnest(:rows) as bad (_row) using (_row)
) as numbered
left join (select distinct row_no from quarantine.record where batch_id = :batch_id) as known
    on known.row_no = numbered._row
where numbered.place <= :kept or known.row_no is null
on conflict (batch_id, rule_id, row_no) do update
set reason = excluded.reason, record = excluded.record, content = excluded.content, state = 'open'
"""

_KEPT = sa.text("select count(*) from quarantine.record where record is not null")
_MARK = """
update raw.{table} as landed
set _failed = broken.rule_ids
from (
    select row_no, array_agg(rule_id order by rule_id) as rule_ids
    from quarantine.record
    where batch_id = :batch_id and state <> 'waived'
    group by row_no
) as broken
where landed._row = broken.row_no
"""

_APPLY_WAIVERS = sa.text(
    """
    update quarantine.record as bad
    set state = 'waived', waiver_id = waiver.waiver_id, waived_until = waiver.until
    from quarantine.waiver as waiver
    where bad.batch_id = :batch_id
        and waiver.rule_id = bad.rule_id
        and waiver.source = bad.source
        and (waiver.record_id is null or waiver.record_id = bad.record_id)
        and waiver.ended_at is null
        and waiver.until > :now
    """
)

# A person has dropped this version of the record before.
_APPLY_DROPS = sa.text(
    """
    update quarantine.record as bad
    set state = 'dropped', decided_by = old.decided_by, decision_reason = old.decision_reason, resolved_at = :now
    from quarantine.record as old
    where bad.batch_id = :batch_id
        and bad.state = 'open'
        and old.source = bad.source
        and old.entity = bad.entity
        and old.record_id = bad.record_id
        and old.rule_id = bad.rule_id
        and old.batch_id < bad.batch_id
        and old.state = 'dropped'
        and old.decided_by <> ''
        and old.source_at is not distinct from bad.source_at
    """
)

_COUNT = sa.text(
    "select count(distinct row_no) from quarantine.record where batch_id = :batch_id and state <> 'waived'"
)

# A bad record that is read repeatedly stays one row: its newest version, dated from its first quarantine.
_REPLACE = sa.text(
    """
    with replaced as (
        delete from quarantine.record as old
        where old.source = :source
            and old.entity = :entity
            and old.state in ('open', 'requeued', 'waived')
            and old.batch_id < :batch_id
            and trim(old.record_id) <> ''
            and old.record_id in (select record_id from quarantine.record where batch_id = :batch_id)
        returning old.record_id, old.quarantined_at
    )
    update quarantine.record as new
    set quarantined_at = known.since
    from (select record_id, min(quarantined_at) as since from replaced group by record_id) as known
    where new.batch_id = :batch_id and new.record_id = known.record_id
    """
)
