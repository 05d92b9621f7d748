"""Decisions on 50,000 customers fit into the time and memory of a small machine."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import pytest
import sqlalchemy as sa

from include.common import paths
from include.warehouse.engine import engine
from tests.fixtures import subjects_store
from tests.fixtures.signals import SignalBook

N = 50_000
# One in six uses less, one in seven was not contacted, one in twelve waits for support, and so on.
_SICK = """
update marts.act_account set
    usage_ratio = case when n % 6 = 0 then 0.5 else usage_ratio end,
    user_days_28d = case when n % 6 = 0 then 60 else user_days_28d end,
    user_days_ratio_14d_ago = case when n % 6 = 0 then 0.5 else user_days_ratio_14d_ago end,
    days_since_contact = case when n % 7 = 0 then 95 else days_since_contact end,
    n_open_urgent_tickets = case when n % 12 = 0 then 1 else n_open_urgent_tickets end,
    oldest_urgent_days = case when n % 12 = 0 then 6 else oldest_urgent_days end,
    last_nps_score = case when n % 9 = 0 then 5 else last_nps_score end,
    n_bad_ratings_30d = case when n % 15 = 0 then 2 else n_bad_ratings_30d end,
    n_tickets_14d = case when n % 15 = 0 then 6 else n_tickets_14d end
from (select account_key as key, substr(account_key, 5)::int as n from marts.act_account) as numbered
where key = account_key
"""


def _fill(signal_book: SignalBook) -> None:
    """Copy one healthy customer and contact to the size of the book. Each CSM has 60 customers."""
    subjects_store.store(signal_book.book.now.date(), "account", subjects_store.account(0))
    subjects_store.store(signal_book.book.now.date(), "contact", subjects_store.contact(0))
    subjects_store.store(signal_book.book.now.date(), "former")
    with engine("owner").begin() as connection:
        for table in ("act_account", "act_contact"):
            changes: dict[str, Any] = {
                "account_key": "'crm:' || n",
                "account_name": "'Customer ' || n",
                "crm_account_id": "n::text",
                "owner_key": "'crm:o' || n / 60",
                "owner_email": "'csm' || n / 60 || '@vendor.example'",
                "contact_key": "'crm:c' || n",
            }
            columns = (
                connection.execute(
                    sa.text("select column_name from information_schema.columns where table_name = :name"),
                    {"name": table},
                )
                .scalars()
                .all()
            )
            names = ", ".join(columns)
            values = ", ".join(changes.get(column, column) for column in columns)
            connection.execute(
                sa.text(
                    f"insert into marts.{table} ({names}) select {values} from marts.{table}, generate_series(1, {N}) n"
                )
            )
        connection.execute(sa.text(_SICK))
        connection.execute(sa.text("analyze marts.act_account; analyze marts.act_contact"))


@pytest.mark.soak
def test_decision_on_fifty_thousand_customers(signal_book: SignalBook, capsys: pytest.CaptureFixture[str]) -> None:
    _fill(signal_book)
    spent = []
    for _ in range(2):  # the day on which the episodes open, and a day on which they only continue
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "include.cli", "decide"],
            cwd=paths.ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
        )
        spent.append(time.monotonic() - began)
        assert done.returncode == 0, done.stderr
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    episodes = signal_book.book.scalar("select count(*) from ops.episode")
    with capsys.disabled():
        figures = {"rows": N, "episodes": episodes, "first": spent[0], "second": spent[1], "peak_mb": megabytes}
        print(f"\n{json.dumps(figures)}")  # the benchmark reads it
    assert episodes > N / 4
    assert megabytes < 500  # the benchmark checks the duration
