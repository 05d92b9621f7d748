"""Look up the accounts of known records, so that the vendor need not be asked."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from include.warehouse.engine import engine

_LANDED = sa.text(
    "select table_name from meta.batch where source = :source and entity = :entity and table_name <> ''"
    " and state in ('landing', 'closed', 'held') order by batch_id"
)


def accounts_of(source_id: str, vendor: str, entity: str, ids: Sequence[str]) -> dict[str, str]:
    """Return record id -> account id for records with a known account: as landed last, or else as merged.

    Args:
        entity: An entity that has ``account_id``.
        ids: Ids of its records.
    """
    found: dict[str, str] = {}
    with engine("loader").connect() as connection:
        landed = connection.execute(_LANDED, {"source": source_id, "entity": entity}).scalars().all()
        queries = [
            f"select id, account_id from raw.{vendor}__{entity} where source = :source and id = any(:ids)"  # noqa: S608
            " and not _is_deleted",
            *(
                f"select id, account_id from raw.{table} where id = any(:ids) and not _is_deleted order by _row"  # noqa: S608
                for table in landed
            ),
        ]
        for query in queries:
            rows = connection.execute(sa.text(query), {"source": source_id, "ids": list(ids)})
            found |= {row.id: row.account_id for row in rows}
    return {one: account for one, account in found.items() if account}
