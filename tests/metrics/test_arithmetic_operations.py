"""Matching, freshness, alerts and tasks against a second calculation with pandas on the source rows.

Nothing here was copied from the SQL.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from tests.metrics.arithmetic_world import DAY, MONTHS, Customer
from tests.metrics.operations_world import ARRIVALS, NOW, happened
from tests.metrics.second_calculation import assert_same


def _close(end: date) -> datetime:
    return datetime(end.year, end.month, end.day, tzinfo=UTC) + DAY


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_unmatched(played: list[Customer], end: date) -> None:
    came = [arrival for arrival in ARRIVALS if date.fromisoformat(arrival[0]) <= end]
    desk, product = ([(n, -(-n // row[3])) for row in came for n in [row[at]]] for at in (1, 2))
    n_desk, n_product = (sum(n for n, _ in of) for of in (desk, product))
    lost_desk, lost_product = (sum(lost for _, lost in of) for of in (desk, product))
    expected = {
        "unmatched_organization_rate": lost_desk / n_desk,
        "unmatched_product_account_rate": lost_product / n_product,
        "unmatched_rate": (lost_desk + lost_product) / (n_desk + n_product),
    }
    assert_same(expected, end)


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_data_and_alerts(played: list[Customer], end: date) -> None:
    start, close = end.replace(day=1), _close(end)
    batches = happened("meta.batch")
    known = batches[(batches.merged_at < close) & batches.read_until.notna()]
    read_until = known.groupby(["source", "entity"]).read_until.max().groupby("source").min()
    merged = batches[(batches.merged_at >= _close(start - DAY)) & (batches.merged_at < close)]
    alerts = happened("ops.episode")
    is_open = (alerts.opened_on <= end) & (
        alerts.closed_on.isna() | (pd.to_datetime(alerts.closed_on) > pd.Timestamp(end))
    )
    outbox = happened("ops.outbox")
    planned = outbox[(outbox.planned_at >= _close(start - DAY)) & (outbox.planned_at < close)]
    expected = {
        "hours_behind": (close - read_until.min()).total_seconds() / 3600,
        "quarantine_rate": merged.n_quarantined.sum() / merged.n_rows.sum(),
        "alerts_new": ((alerts.opened_on >= start) & (alerts.opened_on <= end)).sum(),
        "alerts_open": is_open.sum(),
        "suppressed_rate": (planned.state == "suppressed").mean(),
    }
    assert_same(expected, end)


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_tasks(played: list[Customer], end: date) -> None:
    outbox = happened("ops.outbox")
    written = outbox[outbox.body.map(lambda body: "due_on" in body)]
    tasks = happened("ops.task").merge(written[["key", "body"]], on="key")
    tasks["due"] = tasks.body.map(lambda body: date.fromisoformat(body["due_on"]))
    tasks["day"] = tasks.changed_at.dt.date
    due = tasks[(tasks.due >= end.replace(day=1)) & (tasks.due <= end) & (tasks.due < NOW.date())]
    # Deleted before its due date, it does not count as a task.
    due = due[(due.state != "deleted") | (due.day > due.due)]
    done = due[due.state == "done"]
    # Working days from the due date to the completion date.
    late = [max(int(np.busday_count(one.due + DAY, one.day + DAY)), 0) for one in done.itertuples()]
    expected = {
        "task_timeliness": (done.day <= done.due).sum() / len(due),
        "task_delay_days": float(np.median(late)),
    }
    assert_same(expected, end)
