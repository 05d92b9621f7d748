"""Inputs of the account bridge other than the sources: shared domains, and people's answers.

An answer is a row with the times from and until which it was known, so a build as of an earlier time leaves it out.
Answers come from ``config/identity.yaml`` and from the command line. The file wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include import config
from include.common import paths
from include.warehouse import locks
from include.warehouse.engine import has_table

NOBODY = "*"  # in place of an account: the id belongs to no customer


@dataclass(frozen=True)
class Answer:
    """One answer about an id.

    Args:
        source: The connection that uses the id.
        account_key: The account that it is or is not; ``*`` with ``is_match`` false: no account at all.
        answered_by: Who answered.
    """

    source: str
    source_id: str
    account_key: str
    is_match: bool
    reason: str
    answered_by: str

    @property
    def key(self) -> tuple[str, str, str, bool]:
        """Identifies the answer, without its reason."""
        return self.source, self.source_id, self.account_key, self.is_match


def shared_domains() -> frozenset[str]:
    """Return the domains that match no account: those of mail providers, and those in the settings."""
    text = (paths.ROOT / "include" / "identity" / "free_mail_domains.txt").read_text()
    listed = (line for line in text.splitlines() if line and not line.startswith("#"))
    return frozenset(listed) | frozenset(config.load().identity.shared_domains)


def sync_domains(connection: sa.Connection) -> bool:
    """Update ``meta.shared_domain``, writing only differences; return whether anything changed."""
    wanted = shared_domains()
    there = set(connection.execute(sa.text("select domain from meta.shared_domain")).scalars())
    if there - wanted:
        connection.execute(
            sa.text("delete from meta.shared_domain where domain = any(:gone)"), {"gone": sorted(there - wanted)}
        )
    if wanted - there:
        connection.execute(
            sa.text("insert into meta.shared_domain select unnest(cast(:new as text[]))"),
            {"new": sorted(wanted - there)},
        )
    return wanted != there


def has_bridge(connection: sa.Connection) -> bool:
    """Return whether ``core.account_bridge`` was ever built."""
    return has_table(connection, "core.account_bridge")


def in_file() -> list[Answer]:
    return [
        Answer(
            each.source,
            each.id,
            each.match or (NOBODY if each.no_match == "all" else each.no_match),
            bool(each.match),
            each.reason,
            each.by,
        )
        for each in config.load().identity.answers
    ]


def sync_answers(connection: sa.Connection) -> int:
    """Update ``meta.identity_answer`` to match the file; return how many answers changed.

    Called before a build takes its snapshot time, so that the build sees the changes.
    """
    wanted = {answer.key: answer for answer in in_file()}
    rows = connection.execute(
        sa.text(
            "select answer_id, source, source_id, account_key, is_match, origin, reason, answered_by"
            " from meta.identity_answer where known_to is null"
        )
    ).all()
    answered = {(answer.source, answer.source_id) for answer in wanted.values()}
    ended = []
    kept: set[tuple[str, str, str, bool]] = set()
    for row in rows:
        key = (row.source, row.source_id, row.account_key, row.is_match)
        if row.origin == "file" and key in wanted:
            kept.add(key)
            if (row.reason, row.answered_by) != (wanted[key].reason, wanted[key].answered_by):
                connection.execute(_REWORD, {"id": row.answer_id, **_reason_and_author(wanted[key])})
        elif row.origin == "file" or (row.source, row.source_id) in answered:
            ended.append(row)
    new = [answer for key, answer in sorted(wanted.items()) if key not in kept]
    if not ended and not new:
        return 0
    now = locks.stamp(connection)
    end(connection, [row.answer_id for row in ended], now)
    for answer in new:
        add(connection, answer, "file", now)
    mark_dirty(
        connection, {(row.source, row.source_id) for row in ended} | {(one.source, one.source_id) for one in new}
    )
    return len(ended) + len(new)


def add(connection: sa.Connection, answer: Answer, origin: str, now: datetime) -> None:
    """Store an answer that is valid from now on."""
    connection.execute(
        _ADD,
        {
            "source": answer.source,
            "source_id": answer.source_id,
            "account_key": answer.account_key,
            "is_match": answer.is_match,
            "origin": origin,
            "now": now,
            **_reason_and_author(answer),
        },
    )


def end(connection: sa.Connection, answer_ids: list[int], now: datetime) -> None:
    """End the validity of answers."""
    if answer_ids:
        connection.execute(
            sa.text("update meta.identity_answer set known_to = :now where answer_id = any(:ids)"),
            {"now": now, "ids": answer_ids},
        )


def mark_dirty(connection: sa.Connection, ids: set[tuple[str, str]]) -> None:
    """Mark ids as dirty. The next build rebuilds the bridge, and the old and new accounts of ids that moved."""
    for source, source_id in sorted(ids):
        connection.execute(_MARK_DIRTY, {"source": source, "id": source_id})


def _reason_and_author(answer: Answer) -> dict[str, str]:
    return {"reason": answer.reason, "answered_by": answer.answered_by}


_ADD = sa.text(
    "insert into meta.identity_answer"
    " (source, source_id, account_key, is_match, reason, answered_by, origin, known_from)"
    " values (:source, :source_id, :account_key, :is_match, :reason, :answered_by, :origin, :now)"
)
_REWORD = sa.text("update meta.identity_answer set reason = :reason, answered_by = :answered_by where answer_id = :id")
_MARK_DIRTY = sa.text(
    "insert into meta.dirty_range (batch_id, source, entity, account_ref, from_day)"
    " values (0, :source, 'identity', :id, '0001-01-01')"
)
