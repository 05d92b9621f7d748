"""Find tickets that ask for much the same as those of another request, so that a person can assign or merge them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa

from include.analyses import requests
from include.analyses.triage import model, store
from include.analyses.triage.routes import LEAST_COSINE
from include.warehouse import locks
from include.warehouse.engine import has_table

MOST_COMPARED = 5_000  # newest tickets
_AT_ONCE = 500


def keep(connection: sa.Connection) -> int:
    """Compare the texts of the newest tickets that ask for something, and store the similar ones. It replaces them all.

    Returns:
        Number of tickets with a similar one of another request.
    """
    if not has_table(connection, requests.ASKS):
        return 0
    rows = connection.execute(_TICKETS, {"most": MOST_COMPARED}).all()
    keys, names = [row.ask_key for row in rows], [row.request for row in rows]
    words: dict[str, str] = {}
    for start in range(0, len(keys), store.BATCH):
        words |= store.texts_of(connection, keys[start : start + store.BATCH])
    named = {"now": locks.now(connection)}
    found = [
        {**named, "ticket": keys[place], "like": keys[other], "cosine": cosine}
        for place, other, cosine in _nearest([words.get(key, "") for key in keys], names)
    ]
    connection.exec_driver_sql("delete from meta.request_hint")
    if found:
        connection.execute(_KEEP, found)
    return len(found)


def _nearest(words: list[str], names: list[str]) -> Iterator[tuple[int, int, float]]:
    """Yield each text's place with that of the most similar text of a named request other than its own."""
    if len(words) < 2:
        return
    rows, groups = model.vectors(words), np.asarray(names)
    for start in range(0, len(words), _AT_ONCE):
        cosines = (rows[start : start + _AT_ONCE] @ rows.T).toarray()
        cosines[(groups[start : start + _AT_ONCE, None] == groups) | (groups == "")] = 0
        for place, row in enumerate(cosines, start):
            if row.max() >= LEAST_COSINE:
                yield place, int(row.argmax()), float(row.max())


def listed(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return the proposals with masked texts: a ticket without a request to assign, or two requests to merge.

    Of two requests the most similar pair of tickets is the example. What a person settled since is left out.
    """
    if not has_table(connection, requests.ASKS):
        return []
    rows = [dict(row) for row in connection.execute(_LISTED).mappings()]
    texts = store.masked_texts(connection, [row[name] for row in rows for name in ("ticket_key", "like_ticket")])
    return [
        row | {"text": texts.get(row["ticket_key"], ""), "like_text": texts.get(row["like_ticket"], "")} for row in rows
    ]


_TICKETS = sa.text(
    "select * from (select ask_key, request from core.request_ask where origin = 'ticket'"
    " order by asked_on desc, ask_key limit :most) as k order by ask_key"
)
_KEEP = sa.text(
    "insert into meta.request_hint (ticket_key, like_ticket, cosine, known_from) values (:ticket, :like, :cosine, :now)"
)
_LISTED = sa.text("""
select * from (
    select distinct on (case when a.request = '' then h.ticket_key end, least(a.request, b.request),
            greatest(a.request, b.request))
        case when a.request = '' then 'assign' else 'merge' end as proposal, h.ticket_key, a.request, h.like_ticket,
        b.request as like_request, h.cosine
    from meta.request_hint as h
    join core.request_ask as a on a.ask_key = h.ticket_key
    join core.request_ask as b on b.ask_key = h.like_ticket
    where a.request <> b.request
    order by case when a.request = '' then h.ticket_key end, least(a.request, b.request),
        greatest(a.request, b.request), h.cosine desc, h.ticket_key
) as p
order by cosine desc, ticket_key
limit 200
""")
