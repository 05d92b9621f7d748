"""Score a book of accounts for a day, and explain every score and its change since the day before.

Argument: number of accounts. The empty warehouse comes from the environment. Prints one line of JSON. Seconds are CPU
seconds of this process and of its database session, so that other work on the machine does not count.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, datetime, timedelta
from typing import Any

import psutil
import sqlalchemy as sa

from include.config import files
from include.models import materialize, registry, tables
from include.models.increments import Piece
from include.scores.health import explanation, readings
from include.warehouse.engine import engine

DAY = date(2026, 6, 9)
NEXT = timedelta(days=1)
AT_ONCE = 1000
# Values of both days; a third of the accounts changes. Percentages are random and the same in every run.
FILL = """
insert into marts.health_input (
    account_key, day, tier, days_as_customer, is_paused, usage_known_on, user_days_28d, user_days_usual, use_ratio,
    usage_ratio, active_seat_share, breadth, depth, active_users_28d, oldest_urgent_days, urgent_limit_days,
    n_tickets_14d, n_tickets_usual_14d, n_rated_180d, good_rating_share, rated_on, days_since_contact, cadence_days,
    n_decision_makers, n_champions, n_roles_filled, key_contacts_kept, people_known_on, nps_median, nps_on,
    overdue_days, n_competitor_mentions_90d, milestones_on_time, milestone_on
)
select
    'crm:' || n, d.day, (array['small', 'standard', 'key_account'])[1 + n % 3], 30 + n % 900, false, d.day,
    x * 200, 100, x * 1.2, x * 1.2, x, x, x / 2, 5, case when n % 12 = 0 then 3 else 0 end, 2, n % 4, 1, 5, x,
    d.day - 20, (n + d.shift) % 60, 30, 1, 1, 1 + n % 4, 1, d.day - 10, case when n % 2 = 0 then 8 end,
    case when n % 2 = 0 then d.day - 30 end, 0, 0, case when n % 3 = 0 then x end, d.day - 60
from (select n, mod(n * 7919, 1000) / 1000.0 as base from generate_series(1, :n) as n) as a
cross join (values (cast(:day as date), 0), (cast(:day as date) + 1, 1)) as d (day, shift)
cross join lateral (select case when n % 3 = 0 then base * (1 - 0.1 * d.shift) else base end as x) as v
"""


def main() -> None:
    n = int(sys.argv[1])
    spent: dict[str, float] = {}
    with engine("owner").connect() as connection:
        backend = psutil.Process(connection.exec_driver_sql("select pg_backend_pid()").scalar_one())
        _prepare(connection, n)

        def cpu() -> float:
            return sum(backend.cpu_times()[:2]) + time.process_time()

        def timed(step: str, since: float) -> None:
            spent[step] = round(cpu() - since, 1)

        began = cpu()
        for name in ("marts.health_score", "marts.health_step"):
            _build(connection, name, DAY + NEXT)
        timed("score", began)
        keys = [f"crm:{number}" for number in range(1, n + 1)]
        with files.checked_once():
            began = cpu()
            n_lines = 0
            for start in range(0, n, AT_ONCE):
                found = readings.of_accounts(connection, keys[start : start + AT_ONCE], DAY + NEXT)
                for day in found.values():
                    made = day.score
                    assert sum(made.points.values()) == made.number
                    n_lines += len(made.points)
            timed("explain scores", began)
            began = cpu()
            for start in range(0, n, AT_ONCE):
                changes = explanation.of_changes(connection, keys[start : start + AT_ONCE], DAY, DAY + NEXT)
                assert all(sum(one.change for one in c.lines) == c.after - c.before for c in changes.values())
            timed("explain changes", began)
    scores = spent["score"] + spent["explain scores"]
    print(json.dumps({"seconds": scores, "rows": n, "lines": n_lines, "steps": spent}))


def _prepare(connection: sa.Connection, n: int) -> None:
    """Create the tables, fill the inputs of two days, and score the first."""
    for name, model in registry.load().items():
        if model.schema == "staging":
            columns = ", ".join(f'"{column}" {each.type}' for column, each in model.metadata.columns.items())
            connection.exec_driver_sql(f"create table {name} ({columns})")
        else:
            tables.prepare(connection, model, None)
    materialize.partition(connection, registry.get("marts.health_input"), DAY, DAY + 2 * NEXT)
    connection.execute(sa.text(FILL), {"n": n, "day": DAY})
    connection.exec_driver_sql("analyze marts.health_input")
    for name in ("marts.health_score", "marts.health_step"):
        _build(connection, name, DAY)


def _build(connection: sa.Connection, name: str, day: date) -> None:
    model = registry.get(name)
    materialize.partition(connection, model, day, day + NEXT)
    bound: dict[str, Any] = {"newest": day, "daily_days": model.metadata.daily_days, "known_at": datetime.max}
    is_new = not connection.exec_driver_sql(f"select 1 from {name} limit 1").scalar()  # noqa: S608 - a model's name
    materialize.replace(connection, "bench", model, [Piece(day, day + NEXT)], bound, is_new=is_new)
    connection.commit()


if __name__ == "__main__":
    main()
