"""The accounts whose ARR rose and fell most in a period, beside the metrics of ARR."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.config.viewers import Viewer
from include.models.metrics import Metric
from include.pages import scope
from include.warehouse.engine import engine, has_table

_OF = "marts.retention_period"
_SHOWN = 5


def read(viewer: Viewer, metric: Metric, start: date, end: date) -> Sequence[Any]:
    """Return the viewer's accounts whose ARR changed most from the close of the day before to the period's end.

    The rises come first, largest first, then the falls, largest last. Other metrics than those of ARR have none.
    """
    if metric.table != _OF or not viewer.sees_amounts:
        return ()
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.arr_movement"):
            return ()
        named = {"accounts": scope.accounts(connection, viewer), "start": start, "end": end, "shown": _SHOWN}
        return connection.execute(_CHANGES, named).all()


_CHANGES = sa.text("""
with changes as (
    select account_key, sum(arr_end - arr_start) as change
    from marts.arr_movement
    where day between :start and :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

ranked as (
    select
        *,
        row_number() over (order by change desc, account_key) as rise,
        row_number() over (order by change, account_key) as fall
    from changes
)

select r.account_key, a.name, r.change
from ranked as r
left join core.account as a on a.account_key = r.account_key
where r.change > 0 and r.rise <= :shown or r.change < 0 and r.fall <= :shown
order by r.change desc, r.account_key
""")
