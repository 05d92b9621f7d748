"""Apply a person's decision on quarantined rows and held batches, from the form of the DAG ``review_quarantine``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from include.common import clock
from include.common.errors import ConfigError
from include.ingest import pipeline, quarantine
from include.ingest.quarantine import RowFilter
from include.ingest.replay import Replayed, drop, replay, waive
from include.pages import status


def decide(form: Mapping[str, Any], *, by: str, run_id: str = "") -> str:
    """Carry out the requested action, and return its outcome in words.

    Args:
        form: ``action`` (show, replay, waive, drop, accept batch, drop batch), and the fields it needs of ``rule``,
            ``source``, ``record``, ``batch``, ``until`` and ``reason``.
        by: The person who decides.
        run_id: The DAG run, kept for the record.

    Raises:
        ConfigError: A field is missing, or there is no such rule, record or batch.
    """
    action, reason = str(form.get("action") or ""), str(form.get("reason") or "")
    row_filter = RowFilter(*(str(form.get(name) or "").strip() for name in ("rule", "source", "record")))
    batch = form.get("batch")
    if action == "show":
        return shown_batch(int(batch)) if batch else shown(row_filter)
    if action.endswith(" batch"):
        if not batch:
            raise ConfigError(f"{action} needs the number of a batch", cure="`batch list --state held` lists them")
        if action == "accept batch":
            verdict = pipeline.accept(int(batch), reason=reason, by=by)
            return f"batch {batch} is merged; {verdict.source} is {verdict.state}"
        dropped = pipeline.drop(int(batch), reason=reason, by=by)
        return f"dropped {', '.join(str(each.batch_id) for each in dropped)}; the next ingest run reads them again"
    if action == "replay":
        return replay_summary(replay(row_filter, run_id=run_id))
    if action == "drop":
        return f"{drop(row_filter, reason=reason, by=by)} rows dropped"
    if action != "waive":
        raise ConfigError(
            f"unknown action {action!r}", cure="choose show, replay, waive, drop, accept batch or drop batch"
        )
    if not form.get("until"):
        raise ConfigError("a waiver needs an end date", cure="fill in Until")
    until = clock.parse_time(str(form["until"]), "Until")
    waiver_id, found = waive(row_filter, reason=reason, by=by, until=until, run_id=run_id)
    return f"waiver {waiver_id} is in force until {until:%Y-%m-%d}; {replay_summary(found)}"


def shown(row_filter: RowFilter) -> str:
    """Return the rows and batches awaiting a decision, one per line. Values that identify a person are masked.

    Args:
        row_filter: Selects single rows; if empty, held batches and counts by rule are listed.
    """
    if row_filter != RowFilter():
        found = quarantine.rows(row_filter)
        return _lines([f"{len(found)} rows, newest first"], map(_bad_row, found))
    held = status.batch_list(state="held", limit=50)
    counts = quarantine.listing(row_filter)
    return _lines(
        [f"{len(held)} batches on hold; {len(counts)} groups of quarantined rows, by rule and state"],
        (
            f"batch {row['batch_id']} of {row['source']}.{row['entity']}, {row['rows']} rows: {row['note']}"
            for row in held
        ),
        (f"{row['rule_id']} of {row['source']}: {row['n_rows']} {row['state']}" for row in counts),
    )


def shown_batch(batch_id: int) -> str:
    """Return one batch, the rules it broke and some bad rows. Values that identify a person are masked."""
    found = status.batch(batch_id)
    (batch,) = found["batch"]
    return _lines(
        [f"batch {batch_id} of {batch['source']}.{batch['entity']} is {batch['state']}, {batch['rows']} rows"],
        (f"{row['rule_id']} ({row['severity']}): {row['n_bad']} of {row['n_rows']} rows" for row in found["rules"]),
        map(_bad_row, found["quarantine"]),
    )


def _bad_row(row: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name}={value}" for name, value in row["record"].items())
    return f"{row['rule_id']}, record {row['record_id']}, {row['state']}: {row['reason']}; {values}"


def _lines(*parts: Iterable[str]) -> str:
    return "\n".join(line for part in parts for line in part)


def replay_summary(found: Replayed) -> str:
    """Describe the result of a replay in words."""
    parts = [f"{found.n_rows} rows validated again: {found.n_merged} merged, {found.n_bad} still bad"]
    if found.n_waiting:
        parts.append(f"{found.n_waiting} wait behind a held batch")
    if found.n_without_row:
        parts.append(
            f"{found.n_without_row} were kept without their values: `ingest SOURCE --since ...` reads them again"
        )
    return "; ".join(parts)
