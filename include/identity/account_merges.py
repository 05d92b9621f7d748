"""Track which CRM accounts were merged into which: resolve chains, ignore cycles, and detect undone merges.

A survivor lists the accounts merged into it, and keeps listing them. A merge is undone when the survivor no longer
lists an account that the CRM shows again. ``meta.account_merge_history`` keeps from and until when each merge was
known. ``meta.account_merge`` has the current merges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import TextClause

_EVER = datetime.min.replace(tzinfo=UTC)


class Claim(NamedTuple):
    """A CRM record that says one account was merged into another.

    Args:
        loser: Id of the account that was merged away.
        survivor: Id of the account that it was merged into.
        at: The CRM's timestamp of the survivor's record.
    """

    loser: str
    survivor: str
    at: datetime | None


class Resolved(NamedTuple):
    """The result of resolving all claims.

    Args:
        survivors: Loser -> the last survivor of its chain, and the time of the merge.
        cycles: Groups of accounts that claim each other, each sorted; none of these accounts is merged.
    """

    survivors: dict[str, tuple[str, datetime | None]]
    cycles: list[tuple[str, ...]]


def resolve(claims: Iterable[Claim]) -> Resolved:
    """Follow every claim to the end of its chain. Of several claims about one loser, the newest counts."""
    chosen: dict[str, Claim] = {}
    for claim in claims:
        before = chosen.get(claim.loser)
        if claim.loser != claim.survivor and (before is None or _newer(claim, before)):
            chosen[claim.loser] = claim
    cycles = _cycles({loser: claim.survivor for loser, claim in chosen.items()})
    for cycle in cycles:
        for account in cycle:
            del chosen[account]
    survivors = {}
    for loser, claim in chosen.items():
        last = claim.survivor
        while last in chosen:
            last = chosen[last].survivor
        survivors[loser] = (last, claim.at)
    return Resolved(survivors, cycles)


def _newer(claim: Claim, other: Claim) -> bool:
    return (claim.at or _EVER, claim.survivor) > (other.at or _EVER, other.survivor)


def _cycles(survivor_of: Mapping[str, str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in sorted(survivor_of):
        path: list[str] = []
        account: str | None = start
        while account is not None and account not in done:
            if account in path:
                found.append(tuple(sorted(path[path.index(account) :])))
                break
            path.append(account)
            account = survivor_of.get(account)
        done.update(path)
    return found


def follow(connection: Connection, claims: TextClause, values: Mapping[str, object]) -> None:
    """Update ``meta.account_merge_history`` of one source to what its accounts claim.

    Args:
        connection: In the transaction that merges a batch of accounts.
        claims: Query that returns loser, survivor, at and is_known (whether the claim comes only from earlier
            knowledge).
        values: ``source``, ``batch_id`` and ``now``.
    """
    rows = connection.execute(claims, values).all()
    claimed = {row.loser for row in rows if not row.is_known}
    considered = [
        Claim(row.loser, row.survivor, row.at) for row in rows if not row.is_known or row.loser not in claimed
    ]
    wanted = resolve(considered).survivors
    known = {row.loser: row.survivor for row in connection.execute(_KNOWN, values)}
    ended = sorted(loser for loser, survivor in known.items() if wanted.get(loser, ("",))[0] != survivor)
    if ended:
        connection.execute(_END, {**values, "losers": ended})
    for loser, (survivor, at) in sorted(wanted.items()):
        if known.get(loser) != survivor:
            connection.execute(_BEGIN, {**values, "loser": loser, "survivor": survivor, "at": at})


def cycles(connection: Connection, raw_tables: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the source and the accounts of every cycle of claims in the stored accounts.

    Args:
        connection: Of a role that reads raw.
        raw_tables: The tables of CRM accounts, with their schema.
    """
    claims: dict[str, list[Claim]] = {}
    for table in raw_tables:
        for row in connection.execute(sa.text(_STORED.format(raw=table))):
            claims.setdefault(row.source, []).append(Claim(row.loser, row.survivor, row.at))
    return [(source, cycle) for source, made in sorted(claims.items()) for cycle in resolve(made).cycles]


# Splits a survivor's `merged_ids`, whatever separates the ids.
LOSERS = "regexp_split_to_table({ids}, '[^[:alnum:]_-]+')"
_STORED = (
    "select a.source, l.id as loser, a.id as survivor, a._source_at as at from {raw} as a"  # noqa: S608
    f" cross join lateral {LOSERS.format(ids='a.merged_ids')} as l (id) where a.merged_ids <> '' and l.id <> ''"
    " union all select source, id, merged_into, _source_at from {raw} where _is_deleted and merged_into <> ''"
)
_KNOWN = sa.text(
    "select loser_id as loser, survivor_id as survivor from meta.account_merge_history"
    " where source = :source and known_to is null"
)
_END = sa.text(
    "update meta.account_merge_history set known_to = :now"
    " where source = :source and known_to is null and loser_id = any(:losers)"
)
_BEGIN = sa.text(
    "insert into meta.account_merge_history (source, loser_id, survivor_id, batch_id, merged_at, known_from)"
    " values (:source, :loser, :survivor, :batch_id, :at, :now)"
)
