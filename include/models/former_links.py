"""What continued a term before: a row for every link between a term and a deal that a build took back or changed.

``core.continuation`` holds what is known now. So the links as they were known at any moment are those here that were
replaced after it, and those of the table that were not.
"""

from __future__ import annotations

import sqlalchemy as sa

TABLE = "core.continuation"


def note(connection: sa.Connection, build_id: str) -> None:
    """Keep the links that the difference of the table takes away; called with ``gone`` and ``came`` filled.

    Args:
        connection: The builder's transaction that replaces the table.
    """
    connection.execute(_NOTE, {"build_id": build_id})


# What differs in amounts only is the same link.
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
