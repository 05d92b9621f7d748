"""Keep former continuations: one row per link between a term and a deal that a build removed or changed.

``core.continuation`` holds the current links. The links as known at any time are the rows here that were replaced after
it, plus the rows of the table that were not.
"""

from __future__ import annotations

import sqlalchemy as sa

TABLE = "core.continuation"


def record(connection: sa.Connection, build_id: str) -> None:
    """Keep the links that a table replacement removes. Expects the temporary tables ``removed`` and ``added``.

    Args:
        connection: The builder's transaction that replaces the table.
    """
    connection.execute(_RECORD, {"build_id": build_id})


# A link whose amounts alone differ is the same link.
_RECORD = sa.text(
    """
    insert into meta.former_continuation
        (term_id, opportunity_key, product, account_key, method, confidence, next_start, renewed_arr, build_id,
        known_to)
    select r.term_id, r.opportunity_key, r.product, r.account_key, r.method, r.confidence, r.next_start, r.renewed_arr,
        b.build_id, b.known_at
    from removed as r
    join meta.build as b on b.build_id = :build_id
    where not exists (
        select from added as a
        where a.term_id = r.term_id and a.opportunity_key = r.opportunity_key and a.product = r.product
            and a.method = r.method
    )
    """
)
