"""Batches and platform status for the command line. Nothing here names a person."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.charts import fonts
from include.common import clock
from include.continuation import review
from include.gate import availability
from include.gate import verdicts as gate
from include.ingest import batches, quarantine
from include.ingest.batches import Batch
from include.reports import pdf
from include.warehouse.engine import engine, has_table

Rows = list[dict[str, Any]]
BATCH_COLUMNS = ("batch_id", "source", "entity", "state", "rows", "merged", "unchanged", "bad", "opened_at", "note")


def batch_list(*, source: str = "", state: str = "", limit: int = 20) -> Rows:
    with engine("reader").connect() as connection:
        return [_batch(batch) for batch in batches.recent(connection, source=source, state=state, limit=limit)]


def batch(batch_id: int) -> dict[str, Rows]:
    """Return one batch, the rules it broke and some bad rows. Values that identify a person are masked."""
    with engine("reader").connect() as connection:
        found = batches.get(connection, batch_id)
        rules = connection.execute(_RULES, {"id": batch_id})
        return {
            "batch": [_batch(found) | {key: value for key, value in vars(found).items() if key not in _POSITIONS}],
            "rules": [dict(row) for row in rules.mappings()],
            "quarantine": quarantine.of_batch(connection, batch_id),
        }


def status() -> dict[str, Rows]:
    """Return the platform's status: section -> rows."""
    verdicts = gate.verdicts()
    with engine("reader").connect() as connection:
        merged = {(row.source, row.entity): row.n for row in connection.execute(_MERGED)}
        return {
            "sources": [vars(each) | {"merged": merged.get((each.source, each.entity), 0)} for each in verdicts],
            "not available": [vars(each) for each in availability.missing()],
            "batches": [_batch(batch) for batch in batches.recent(connection, limit=5)],
            "held": [_batch(batch) for batch in batches.recent(connection, state="held", limit=50)],
            "quarantine": [dict(row) for row in quarantine.open_by_rule(connection)],
            "set aside": _set_aside(connection),
            "contracts": review.summary(connection),
            "build": [dict(row) for row in connection.execute(_LAST_BUILD).mappings()],
            "outbox": [dict(row) for row in connection.execute(_OUTBOX).mappings()],
            "fonts": [{"reason": reason, "cure": fonts.CURE}] if (reason := fonts.why_not()) else [],
            "pdf": [{"reason": reason, "cure": pdf.CURE}] if (reason := pdf.why_not()) else [],
            "fields": [dict(row) for row in connection.execute(_FIELDS, {"now": clock.now()}).mappings()],
        }


# Section of ``status`` -> its columns, and the text for an empty section.
SECTIONS = {
    "sources": (("source", "entity", "state", "watermark", "since", "merged", "reason"), "no source was read yet"),
    "not available": (("source", "entity", "reason", "cure"), "every entity is available"),
    "batches": (BATCH_COLUMNS, "no batch has landed rows yet"),
    "held": (BATCH_COLUMNS, "no batch is held"),
    "quarantine": (("source", "entity", "rule_id", "n_rows", "since"), "nothing is in quarantine"),
    "set aside": (("source", "entity", "n_rows", "reason"), "every line item belongs to a deal"),
    "contracts": (("kind", "n", "arr", "share_of_arr", "cure"), "no open questions about contracts and renewals"),
    "build": (("build_id", "kind", "state", "window_start", "window_end", "started_at", "finished_at"), "no build yet"),
    "outbox": (("channel", "state", "n", "newest"), "no message has been planned yet"),
    "fonts": (("reason", "cure"), "charts and PDFs can show every language of the settings"),
    "pdf": (("reason", "cure"), "reports can be written as PDF"),
    "fields": (
        ("noticed_at", "source", "entity", "kind", "field", "was", "is_now", "fills"),
        "no source has changed its fields in the last 30 days",
    ),
}
_LINES = "raw.crm__contract_line"
_POSITIONS = {"position", "read_mark", "cursor_after", "table_name"}


def _set_aside(connection: Connection) -> Rows:
    """Return the number of line items without a deal, which count in no figure."""
    # There are no raw tables before the first read.
    if not has_table(connection, _LINES):
        return []
    reason = "line items without a deal, such as those that quotes and invoices clone, count in no figure"
    found = connection.execute(_OF_NO_DEAL).mappings()
    return [{**row, "entity": "contract_line", "reason": reason} for row in found]


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "source": batch.source,
        "entity": batch.entity,
        "state": batch.state,
        "rows": batch.n_rows,
        "merged": batch.n_merged,
        "unchanged": batch.n_unchanged,
        "bad": batch.n_quarantined,
        "opened_at": batch.opened_at,
        "note": batch.hold_reason if batch.state == "held" else batch.decision_reason,
    }


_OF_NO_DEAL = sa.text(
    f"select source, count(*) as n_rows from {_LINES}"  # noqa: S608
    " where not _is_deleted and trim(concat(opportunity_id, contract_id)) = '' group by source order by source"
)
_RULES = sa.text(
    "select rule_id, severity, n_bad, n_rows, observed from meta.rule_result"
    " where batch_id = :id and not is_passed order by severity, n_bad desc, rule_id"
)
# Rows merged per entity and, with entity '', per source, matching the names of verdicts.
_MERGED = sa.text(
    "select source, coalesce(entity, '') as entity, cast(sum(n_merged) as bigint) as n from meta.batch"
    " group by grouping sets ((source, entity), (source))"
)
_LAST_BUILD = sa.text(
    "select build_id, kind, state, window_start, window_end, started_at, finished_at from meta.build"
    " order by started_at desc limit 1"
)
_OUTBOX = sa.text(
    "select channel, state, count(*) as n, max(coalesce(resolved_at, planned_at)) as newest from ops.outbox"
    " group by channel, state order by channel, state"
)
_FIELDS = sa.text(
    "select noticed_at, source, entity, kind, field, was, is_now, fills from meta.schema_change"
    " where noticed_at > cast(:now as timestamptz) - interval '30 days'"
    " order by fills = '', change_id desc limit 20"
)
