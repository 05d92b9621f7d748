"""Keep former inputs of health scores: one row per account and day that a later build changed.

``marts.health_input`` holds what is known now. What was known at an earlier time is the oldest row here that was
replaced after it, or else the row of the table. A day counts as known from the second day after it; earlier changes are
the day's own data arriving. Rows that a changed setting rewrites for all accounts are kept for the newest days only.
"""

from __future__ import annotations

import sqlalchemy as sa

from include.models.increments import Piece
from include.warehouse.engine import has_table

TABLE = "marts.health_input"
SHOWN = "marts.account_health"
# Days of which rows are kept when a piece covers all accounts, such as after an outage of a source.
RECENT_DAYS = 7


def record(connection: sa.Connection, build_id: str, piece: Piece) -> None:
    """Keep the inputs that a table replacement removes. Expects the temporary tables ``removed`` and ``added``.

    A row that is new for a day long past is kept as null: nothing was known of it.

    Args:
        connection: The builder's transaction that replaces the table.
        piece: The part of the table that it replaces.
    """
    statement = _RECORD.format(bands=_BANDS if has_table(connection, SHOWN) else _NO_BANDS)
    bound = {"build_id": build_id, "recent": None if piece.accounts else RECENT_DAYS}
    connection.execute(sa.text(statement), bound)


_RECORD = """
    with former as (
        select
            coalesce(r.account_key, a.account_key) as account_key,
            coalesce(r.day, a.day) as day,
            case when r.day is not null then to_jsonb(r) end as input
        from removed as r
        full join added as a on a.account_key = r.account_key and a.day = r.day
    ),
    kept as (
        select f.account_key, f.day, f.input, b.known_at
        from former as f
        join meta.build as b on b.build_id = :build_id
        where f.day < b.newest_day - 1
            and (cast(:recent as integer) is null or f.day >= b.newest_day - cast(:recent as integer))
    )
    insert into meta.former_health_input (account_key, day, input, band, band_since, build_id, known_to)
    select k.account_key, k.day, k.input, s.band, s.band_since, :build_id, k.known_at
    from kept as k
    {bands}
    on conflict do nothing
"""
_BANDS = f"left join {SHOWN} as s on s.account_key = k.account_key and s.day = k.day"
_NO_BANDS = "cross join (select cast(null as text) as band, cast(null as date) as band_since) as s"
