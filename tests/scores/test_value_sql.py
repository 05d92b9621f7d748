"""``marts.account_value`` equals the explanation in Python for any input."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from include.models import value
from include.scores.value import proposals, readings
from include.scores.value.score import Reading, score
from include.warehouse.engine import engine
from tests.fixtures.databases import database
from tests.sql import cases

NEWEST = date(2026, 4, 1)
ENDS = (date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31))
N_ACCOUNTS = 200


def _row(chance: random.Random, account: str, as_of: date, known: float) -> dict[str, Any]:
    """Return an input in which each value is known with the same probability."""

    def maybe(found: Any) -> Any:
        return found if chance.random() < known else None

    days = chance.choice([20, 89, 90, 400, 1500])
    return {
        "account_key": account,
        "as_of": as_of,
        "tier": chance.choice(["small", "standard", "key_account", None]),
        "days_as_customer": days,
        "tenure_years": days / 365.25,
        "kept_arr": round(chance.choice([chance.uniform(0, 60_000), chance.uniform(60_000, 700_000)]), 2),
        "growth": maybe(chance.uniform(-0.4, 0.7)),
        "employees": maybe(chance.choice([5, 50, chance.randrange(6000)])),
        "brand": maybe(chance.choice(["fortune_500", "listed", "known", "none", "well known"])),
        "referrals": maybe(chance.randrange(5)),
        "n_products": maybe(chance.randrange(1, 6)),
        "n_roles_filled": maybe(chance.randrange(5)),
        "gross_margin": maybe(chance.uniform(-0.2, 1)),
        "cost_to_serve": 100,
        "paid_in_time_share": maybe(chance.uniform(0.3, 1)),
        "longest_late_days": maybe(chance.choice([0, 20, 60, 61, 200])),
        "invoice_due_on": as_of - timedelta(days=10),
    }


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[sa.Connection]:
    chance = random.Random(11)
    rows = [
        _row(chance, f"crm:{account}", end, chance.choice([0.3, 0.7, 1]))
        for account in range(N_ACCOUNTS)
        for end in ENDS
    ]
    with (
        database(postgres, "value", "template") as url,
        engine("owner", url).connect() as opened,
        opened.begin() as all_of_it,
    ):
        cases.create_tables(opened)
        case = cases.Case(
            path=cases.HERE, case="", newest=NEWEST, start=ENDS[0],
            given={
                "marts.value_input": rows,
                "meta.metric_gap": [{"metric_id": f"{value.GAP}influence", "from_day": date(1990, 1, 1)}],
            },
            expect={"marts.account_value": []},
        )  # fmt: skip
        for _ in cases.run(opened, case):
            pass
        yield opened
        all_of_it.rollback()


def test_scores_equal_the_python_calculation(connection: sa.Connection) -> None:
    found = connection.execute(sa.text("select * from marts.account_value")).all()
    assert len(found) == N_ACCOUNTS * len(ENDS)
    parts = {
        (row.account_key, row.as_of, row.dimension): row
        for row in connection.execute(sa.text("select * from marts.account_value_part"))
    }
    seen = set()
    for sql in found:
        month = readings.read(connection, sql.account_key, sql.as_of)
        explained = month.score
        assert sql.definition == explained.version.key
        assert (sql.score, sql.is_covered, sql.is_preliminary) == (
            explained.number,
            explained.is_covered,
            month.is_preliminary,
        ), month
        assert (sql.coverage or 0) == pytest.approx(explained.coverage)
        for name, line in explained.lines.items():
            part = parts[sql.account_key, sql.as_of, name]
            assert part.weight == line.weight
            assert part.score == (None if line.score is None else pytest.approx(line.score))
        seen.add((sql.is_covered, sql.is_preliminary, sql.coverage == 1))
    assert len(seen) >= 4, seen
    assert month.not_connected == {"influence"}


def test_group_is_scored_with_the_order_amount_of_the_whole_family(connection: sa.Connection) -> None:
    end = ENDS[-1]
    with connection.begin_nested() as undone:
        for key, n_in_family in (("crm:1", 2), ("crm:2", 2), ("crm:3", 1)):
            top = "crm:3" if n_in_family == 1 else "crm:1"
            connection.execute(
                sa.text(
                    "insert into core.account_family (account_key, ultimate_parent_key, n_in_family)"
                    " values (:key, :top, :n)"
                ),
                {"key": key, "top": top, "n": n_in_family},
            )
        found = proposals.group_scores(connection, (end,))
        assert found.keys() == {("crm:1", end), ("crm:2", end)}
        assert proposals.group_scores(connection, (end,), "crm:2") == {("crm:2", end): found["crm:2", end]}
        months = {key: readings.read(connection, key, end) for key in ("crm:1", "crm:2")}
        group = sum(float(month.values["kept_arr"]) for month in months.values())
        for key, month in months.items():
            whole = score(month.version, {**month.readings, "order_amount": Reading((group,))})
            assert found[key, end] == whole.number != month.score.number
        undone.rollback()
