"""Random operational events: batches, unmatched ids, alerts, messages and late tasks."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from include.warehouse import raw_tables
from include.warehouse.engine import engine
from tests.fixtures import small_world as world

DAY = timedelta(days=1)
NOW = datetime.fromisoformat(world.FIRST)
_SINCE = datetime(2026, 2, 20, tzinfo=UTC)
# Day of arrival, numbers of support organisations and product accounts, and every how many is unmatched.
ARRIVALS = (("2026-03-02", 9, 6, 3), ("2026-04-11", 5, 8, 2), ("2026-05-20", 12, 4, 5))
_INSERTS = {
    "meta.batch": "(source, vendor, entity, state, until, n_rows, n_quarantined, merged_at, read_until) values"
    " (:source, '', :entity, 'merged', :merged_at, :n_rows, :n_quarantined, :merged_at, :read_until)",
    "ops.episode": "(signal, entity_kind, entity_id, episode_no, account_key, state, evidence, opened_on, updated_on,"
    " closed_on) values ('usage_drop', 'account', :id, 1, 'crm:10', case when cast(:closed_on as date) is null then"
    " 'open' else 'closed' end, '{}', :opened_on, :opened_on, :closed_on)",
    "ops.outbox": "(key, channel, entity_kind, entity_id, rule, episode_no, step, account_key, recipient, subject,"
    " body, reads, not_after, state, decision_id, version, planned_at, resolved_at) values (:key, :channel, 'account',"
    " 'crm:10', 'usage_drop', 1, 'task', 'crm:10', '', '', cast(:body as jsonb), '{}', now(), :state, 'd', '1',"
    " :planned_at, :planned_at)",
    "ops.task": "(key, state, changed_at, read_at) values (:key, :state, :changed_at, :changed_at)",
}


def load_ids(patch: pytest.MonkeyPatch) -> None:
    """Load support and product ids on their days of arrival, before all other records."""
    raw_tables.ensure_raw_tables()
    for number, (day, n_desk, n_product, every) in enumerate(ARRIVALS):
        patch.setenv("PERENNIAL_NOW", f"{day}T12:00:00+00:00")
        if not number:
            world.load("account", world.account("901"))
        matched = [None if k % every == 0 else "901" for k in range(max(n_desk, n_product))]
        world.load("organization", *(world.organization(f"o{day}{k}", matched[k]) for k in range(n_desk)))
        world.load("product_account", *(world.product_account(f"q{day}{k}", matched[k]) for k in range(n_product)))
    patch.setenv("PERENNIAL_NOW", world.FIRST)


def load_events() -> None:
    """Insert batches, alerts, messages and tasks into the tables that Perennial normally writes."""
    draw = random.Random(5)
    with engine("owner").begin() as connection:
        for table, rows in _events(draw).items():
            connection.execute(sa.text(f"insert into {table} {_INSERTS[table]}"), rows)


def happened(table: str) -> pd.DataFrame:
    """Return all rows of one of those tables."""
    with engine("owner").connect() as connection:
        return pd.DataFrame(connection.execute(sa.text(f"select * from {table}")).mappings().all())


def _events(draw: random.Random) -> dict[str, list[dict[str, Any]]]:
    def moment(days: int = 105) -> datetime:
        return _SINCE + timedelta(minutes=draw.randrange(days * 1440))

    batches = []
    for source, entity in [("crm", "contact"), ("support", "ticket"), ("product_db", "usage_day")] * 15:
        merged_at = moment()
        read_until = merged_at - timedelta(minutes=draw.randrange(30, 3000))
        batches.append({
            "source": source, "entity": entity, "n_rows": draw.randrange(1, 500), "merged_at": merged_at,
            "n_quarantined": draw.choice([0, 0, 1, 7]), "read_until": read_until,
        })  # fmt: skip
    episodes = []
    for number in range(60):
        opened_on = moment().date()
        closed_on = opened_on + draw.randrange(0, 40) * DAY if draw.random() < 0.7 else None
        episodes.append({"id": f"e{number}", "opened_on": opened_on,
                         "closed_on": closed_on if closed_on and closed_on < NOW.date() else None})  # fmt: skip
    messages = [
        {"key": f"m{number}", "channel": draw.choice(["slack", "email", "crm_task"]), "body": "{}",
         "state": draw.choice(["sent", "suppressed", "expired"]), "planned_at": moment()}
        for number in range(80)
    ]  # fmt: skip
    tasks = []
    for number in range(60):
        planned_at = moment(85)
        due_on = planned_at.date() + draw.randrange(2, 12) * DAY
        changed_at = planned_at + timedelta(minutes=draw.randrange(60, 25 * 1440))
        is_settled = changed_at < NOW
        state = draw.choice(["done", "done", "done", "open", "deleted"]) if is_settled else "open"
        messages.append({"key": f"t{number}", "channel": "crm_task", "state": "sent", "planned_at": planned_at,
                         "body": f'{{"due_on": "{due_on}"}}'})  # fmt: skip
        tasks.append({"key": f"t{number}", "state": state, "changed_at": changed_at if is_settled else planned_at})
    return {"meta.batch": batches, "ops.episode": episodes, "ops.outbox": messages, "ops.task": tasks}
