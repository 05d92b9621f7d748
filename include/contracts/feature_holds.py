"""Put features on hold while their usage data is missing.

A feature's signals wait until its usage is measured again.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.contracts.engine import Outcome
from include.contracts.rule import BatchFacts


def update(
    connection: Connection, facts: BatchFacts, outcomes: Iterable[Outcome], found: dict[str, list[dict]]
) -> None:
    """Put on hold the features without usage on a batch's newest complete day, and release those with usage again.

    Args:
        connection: In the batch's transaction.
        facts: The batch.
        outcomes: The results of its checks.
        found: Rule id -> the rows that its query found.
    """
    checked = [outcome for outcome in outcomes if outcome.check.rule.scope == "feature"]
    if not checked:
        return
    broken = [row for outcome in checked for row in found.get(outcome.check.rule.id, [])]
    values = {
        "source": facts.source,
        "day": facts.complete_day,
        "now": facts.now,
        "broken": orjson.dumps(broken, default=str).decode(),
    }
    connection.execute(_HOLD, values)
    connection.execute(_RELEASE, values)


_HOLD = sa.text(
    """
    insert into meta.feature_hold as known (source, feature, day, n_accounts, n_silent, since, checked_at)
    select :source, feature, :day, n_usual, n_silent, :now, :now
    from jsonb_to_recordset(cast(:broken as jsonb)) as broken (feature text, n_usual bigint, n_silent bigint)
    on conflict (source, feature) do update
    set n_accounts = excluded.n_accounts, n_silent = excluded.n_silent, checked_at = excluded.checked_at
    """
)
# Only the same day, read again, or a later day can end a hold.
_RELEASE = sa.text(
    """
    delete from meta.feature_hold
    where source = :source and day <= :day
        and feature not in (
            select feature from jsonb_to_recordset(cast(:broken as jsonb)) as broken (feature text)
        )
    """
)
