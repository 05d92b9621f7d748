"""Keep former continuations: one row per link between a term and a deal that a build removed or changed.

``core.continuation`` holds the current links. The links as known at any time are the rows here that were replaced after
it, plus the rows of the table that were not.
"""

from __future__ import annotations

import sqlalchemy as sa

TABLE = "core.continuation"


def note(connection: sa.Connection, build_id: str) -> None:
    """Keep the links that a table replacement removes. Called with the temporary tables ``gone`` and ``came`` filled.

    Args:
        connection: The builder's transaction that replaces the table.
    """
    connection.execute(_NOTE, {"build_id": build_id})


# A link whose amounts alone differ is the same link.
_NOTE = sa.text(
    """
    insert into meta.former_continuation
        (term_id, opportunity_key, product, account_key, method, confidence, next_start, renewed_arr, build_id,
        known_to)
    select g.term_id, g.opportunity_key, g.product, g.account_key, g.method, g.confidence, g.next_start, g.renewed_arr,
        b.build_id, b.known_at
    from gone as g
    join meta.build as b on b.build_id = :build_id
    where not exists (
        select from came as c
        where c.term_id = g.term_id and c.opportunity_key = g.opportunity_key and c.product = g.product
            and c.method = g.method
    )
    """
)
