"""The Data health page: problems first, then sources, batches, builds and the outbox. It names no people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.common import clock
from include.config.viewers import Viewer
from include.contracts import catalogue
from include.pages import data_quality, held_up, problems
from include.pages import status as report
from include.pages.data_quality import Quality
from include.pages.held_up import HeldUp
from include.pages.problems import Problem
from include.warehouse.engine import engine

Rows = list[dict[str, Any]]

# Each result is small however large the history is: only newest rows, open rows, or counts.
_QUERIES = {
    "held": """
        select batch_id, source, entity, n_rows, hold_reason, opened_at,
               (select count(*) from meta.batch as queued
                where queued.source = held.source and queued.entity = held.entity
                  and queued.batch_id > held.batch_id and queued.state in ('landing', 'closed', 'held')) as n_queued
        from meta.batch as held where state = 'held' order by batch_id""",
    "builds": """
        select build_id, kind, state, window_start, window_end - 1 as window_last, started_at, finished_at,
               (select count(*) from meta.build_model as model where model.build_id = build.build_id) as n_models,
               (select array_agg(model || ': ' || check_name order by model, check_name)
                from meta.check_result as result
                where result.build_id = build.build_id and n_bad > 0) as warnings
        from meta.build as build order by started_at desc limit 5""",
    "approvals": """
        select approval_id, ops.approval.reason, asked_at, expires_at, count(outbox_id) as n_actions,
               count(distinct account_key) as n_accounts
        from ops.approval left join ops.outbox using (approval_id)
        where ops.approval.state = 'open' group by approval_id order by asked_at limit 50""",
    "channels": "select channel, is_on_hold, reason, changed_at from ops.channel order by channel",
    "uncertain": """
        select outbox_id, channel, account_key, rule, step, deadline, reason, sending_at
        from ops.outbox where state = 'uncertain' order by deadline nulls last, outbox_id limit 50""",
}


@dataclass(frozen=True)
class Overview:
    """The content of the page.

    Args:
        problems: Current problems, worst first.
        quality: Data-quality results over time.
        sources: One verdict per source, with its age applied.
        held: Batches on hold, awaiting a decision.
        quarantine: Open rows per rule.
        builds: The last builds.
        approvals: Requests to approve actions above the caps.
        channels: Whether each channel may send.
        outbox: Messages per channel and state.
        uncertain: Messages that may or may not have been delivered.
        held_up: Accounts that quarantined rows and held batches keep from alerts.
    """

    problems: tuple[Problem, ...]
    quality: Quality
    sources: Rows
    held: Rows
    quarantine: Rows
    builds: Rows
    approvals: Rows
    channels: Rows
    outbox: Rows
    uncertain: Rows
    held_up: HeldUp


def read(viewer: Viewer) -> Overview:
    status = report.status()
    says = {rule.id: rule.says for rule in catalogue.rules()}
    with engine("reader").connect() as connection:
        found = {
            name: [dict(row) for row in connection.execute(sa.text(query)).mappings()]
            for name, query in _QUERIES.items()
        }
    found |= {
        "sources": [row for row in status["sources"] if not row["entity"]],
        "quarantine": [row | {"says": says.get(row["rule_id"], "")} for row in status["quarantine"][:50]],
        "outbox": status["outbox"],
    }
    wrong = problems.found({**found, "contracts": status["contracts"]}, clock.now(), viewer)
    return Overview(problems=wrong, quality=data_quality.read(), held_up=held_up.read(viewer), **found)
