"""The segments of small accounts by recency, frequency and money, for work with many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include import config
from include.warehouse.engine import has_table

TABLE = "marts.account_rfm"


@dataclass(frozen=True)
class Group:
    """One segment at the newest month end.

    Args:
        name: Its name in segments.yaml; "" for accounts whose use is not known.
        arr: Their ARR today.
    """

    name: str
    n: int
    arr: float


def accounts(connection: sa.Connection, chosen: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the small accounts of the newest month end with scores and segment, best recency first.

    Args:
        chosen: Only these accounts; None for all.
    """
    if not has_table(connection, TABLE):
        return []
    fields = config.load().segments
    rows = connection.execute(_ROWS, {"accounts": list(chosen) if chosen is not None else None}).mappings()
    return [{**row, "segment": fields.of(row["recency"], row["frequency"], row["money"])} for row in rows]


def groups(rows: Sequence[dict[str, Any]]) -> list[Group]:
    """Return the number and ARR of the accounts of each segment, largest first."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["segment"], []).append(float(row["arr"] or 0))
    return sorted(
        (Group(name, len(arrs), sum(arrs)) for name, arrs in found.items()), key=lambda one: (-one.n, one.name)
    )


_ROWS = sa.text("""
select
    r.account_key, coalesce(a.name, r.account_key) as account_name, r.as_of, r.tier, r.recency_days, r.n_active_days,
    r.paid, r.recency, r.frequency, r.money, t.arr
from marts.account_rfm as r
left join core.account as a on a.account_key = r.account_key
left join marts.act_account as t on t.account_key = r.account_key
where r.as_of = (select max(as_of) from marts.account_rfm)
    and (cast(:accounts as text[]) is null or r.account_key = any(cast(:accounts as text[])))
order by r.recency desc nulls last, r.frequency desc nulls last, r.money desc nulls last, r.account_key
""")
