"""The accounts that quarantined rows and held batches keep from alerts, by name, for roles that see names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include import config
from include.config.viewers import Viewer
from include.gate import verdicts as gate
from include.pages import scope
from include.warehouse.engine import engine, has_table

_SHOWN = 10


@dataclass(frozen=True)
class HeldUp:
    """Accounts on hold, most ARR first.

    Args:
        rows: The first ones, each with its reasons.
        n_others: How many more there are.
        others_arr: Their ARR.
    """

    rows: Sequence[dict[str, Any]] = ()
    n_others: int = 0
    others_arr: float = 0


def read(viewer: Viewer) -> HeldUp:
    """Return the accounts of a viewer that are on hold; none for a viewer who sees no names."""
    reasons = gate.quarantined(source.id for source in config.load().sources) if viewer.sees_names else {}
    if not reasons:
        return HeldUp()
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.account_day"):
            return HeldUp()
        named = {"keys": list(reasons), "accounts": scope.accounts(connection, viewer)}
        found = [dict(row) for row in connection.execute(_ACCOUNTS, named).mappings()]
    shown, others = found[:_SHOWN], found[_SHOWN:]
    return HeldUp(
        [row | {"reasons": reasons[row["account_key"]]} for row in shown],
        len(others),
        float(sum(row["arr"] or 0 for row in others)),
    )


_ACCOUNTS = sa.text(
    "select a.account_key, a.name, d.arr from core.account as a left join marts.account_day as d"
    " on d.account_key = a.account_key and d.day = (select max(day) from marts.account_day)"
    " where a.account_key = any(:keys) and not a.is_excluded and not a.is_deleted"
    " and (cast(:accounts as text[]) is null or a.account_key = any(cast(:accounts as text[])))"
    " order by d.arr desc nulls last, a.account_key"
)
