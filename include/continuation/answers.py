"""Answers about which deal continues which term. They take effect for their accounts with the next build.

They come from ``answers`` in ``config/renewals.yaml`` and from the command line. The file wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include import config
from include.common.errors import ConfigError
from include.warehouse import locks
from include.warehouse.engine import engine, has_table

ANY_DEAL = "*"  # in place of a deal: nothing continues the term


@dataclass(frozen=True, order=True)
class Answer:
    """One answer about a term.

    Args:
        term_id: The agreed term, such as ``crm:4711#1``.
        opportunity_key: The won deal; ``*`` with ``is_match`` false: no deal at all.
        is_match: Whether that deal continues the term.
        reason: Why.
        answered_by: Who answered.
    """

    term_id: str
    opportunity_key: str
    is_match: bool
    reason: str
    answered_by: str

    @property
    def key(self) -> tuple[str, str, bool]:
        """Identifies the answer, without its reason."""
        return self.term_id, self.opportunity_key, self.is_match


def link(term_id: str, opportunity_key: str, *, reason: str, by: str) -> None:
    """Record that a deal continues a term.

    Raises:
        ConfigError: There is no such term or deal, or the file answers it.
    """
    _answer(Answer(term_id, opportunity_key, True, reason, by))


def unlink(term_id: str, opportunity_key: str = "", *, reason: str, by: str) -> None:
    """Record that a deal does not continue a term, or that none does.

    Raises:
        ConfigError: There is no such term or deal, or the file answers it.
    """
    _answer(Answer(term_id, opportunity_key or ANY_DEAL, False, reason, by))


def withdraw(term_id: str) -> int:
    """Withdraw the command line's answers about a term; return how many there were.

    Raises:
        ConfigError: The file answers it.
    """
    _refuse_if_in_file(term_id)
    with engine("builder").begin() as connection:
        now = locks.stamp(connection)
        ids = list(connection.execute(_OF_TERM, {"term_id": term_id}).scalars())
        _end(connection, ids, now)
        if ids:
            _mark_dirty(connection, {term_id})
    return len(ids)


def sync(connection: Connection) -> int:
    """Update ``meta.renewal_answer`` to match the file; return how many answers changed."""
    wanted = {answer.key: answer for answer in in_file()}
    terms = {answer.term_id for answer in wanted.values()}
    ended: list[int] = []
    dirty: set[str] = set()
    kept: set[tuple[str, str, bool]] = set()
    for row in connection.execute(_CURRENT).all():
        key = (row.term_id, row.opportunity_key, row.is_match)
        if row.origin == "file" and key in wanted:
            kept.add(key)
            fields = {"reason": wanted[key].reason, "answered_by": wanted[key].answered_by}
            if (row.reason, row.answered_by) != (fields["reason"], fields["answered_by"]):
                connection.execute(_REWORD, {"id": row.answer_id, **fields})
        elif row.origin == "file" or row.term_id in terms:
            ended.append(row.answer_id)
            dirty.add(row.term_id)
    new = [answer for key, answer in sorted(wanted.items()) if key not in kept]
    if not ended and not new:
        return 0
    now = locks.stamp(connection)
    _end(connection, ended, now)
    for answer in new:
        _add(connection, answer, "file", now)
    _mark_dirty(connection, dirty | {answer.term_id for answer in new})
    return len(ended) + len(new)


def in_file() -> list[Answer]:
    return [
        Answer(
            each.term,
            each.deal or (ANY_DEAL if each.not_deal == "all" else each.not_deal),
            bool(each.deal),
            each.reason,
            each.by,
        )
        for each in config.load().renewals.answers
    ]


def _answer(answer: Answer) -> None:
    if not answer.reason.strip():
        raise ConfigError("an answer requires a reason", cure="give one with --reason")
    _refuse_if_in_file(answer.term_id)
    with engine("builder").begin() as connection:
        now = locks.stamp(connection)
        _must_exist(connection, answer)
        before = connection.execute(_CURRENT_OF_TERM, {"term_id": answer.term_id}).all()
        if any((row.opportunity_key, row.is_match) == (answer.opportunity_key, answer.is_match) for row in before):
            return
        # "Nothing continues the term" replaces all answers. Several deals may continue it, or be ruled out one by one.
        ended = [
            row.answer_id
            for row in before
            if answer.opportunity_key == ANY_DEAL or row.opportunity_key in (ANY_DEAL, answer.opportunity_key)
        ]
        _end(connection, ended, now)
        _add(connection, answer, "cli", now)
        _mark_dirty(connection, {answer.term_id})


def _must_exist(connection: Connection, answer: Answer) -> None:
    if not connection.execute(_HAS_TERM, {"term_id": answer.term_id}).scalar():
        raise ConfigError(
            f"unknown term {answer.term_id}", cure="see `python -m include.cli renewals review` for terms and deals"
        )
    if answer.opportunity_key == ANY_DEAL:
        return
    if not connection.execute(_HAS_DEAL, {"key": answer.opportunity_key}).scalar():
        raise ConfigError(
            f"unknown won deal {answer.opportunity_key}",
            cure="give its source and its id in that source, such as crm:4711",
        )
    reason = connection.execute(_WHY_NOT, {"term_id": answer.term_id, "key": answer.opportunity_key}).scalar()
    if answer.is_match and reason:
        raise ConfigError(
            f"{answer.opportunity_key} cannot continue {answer.term_id}: {reason}",
            cure="correct the dates or the company in the CRM and build, or choose another deal or term",
        )


def _refuse_if_in_file(term_id: str) -> None:
    if any(one.term_id == term_id for one in in_file()):
        raise ConfigError(f"{term_id} is answered in config/renewals.yaml", cure="change the answer there, then build")


def _add(connection: Connection, answer: Answer, origin: str, now: datetime) -> None:
    account = None
    # The file may contain answers before the first build.
    if has_table(connection, _TERMS):
        account = connection.execute(_ACCOUNT, {"term_id": answer.term_id}).scalar()
    connection.execute(_ADD, {**vars(answer), "account": account, "origin": origin, "now": now})


def _end(connection: Connection, answer_ids: list[int], now: datetime) -> None:
    if answer_ids:
        connection.execute(_END, {"now": now, "ids": answer_ids})


def _mark_dirty(connection: Connection, term_ids: set[str]) -> None:
    """Mark the accounts of terms as dirty. The next build rebuilds them with the rest of their family."""
    if term_ids and has_table(connection, _TERMS):
        connection.execute(_MARK_DIRTY, {"ids": sorted(term_ids)})


_TERMS = "core.agreed_term"
_ACCOUNT = sa.text(f"select account_key from {_TERMS} where term_id = :term_id")  # noqa: S608 - a name of this file
_ADD = sa.text(
    "insert into meta.renewal_answer"
    " (term_id, opportunity_key, account_key, is_match, reason, answered_by, origin, known_from)"
    " values (:term_id, :opportunity_key, :account, :is_match, :reason, :answered_by, :origin, :now)"
)
_REWORD = sa.text("update meta.renewal_answer set reason = :reason, answered_by = :answered_by where answer_id = :id")
_END = sa.text("update meta.renewal_answer set known_to = :now where answer_id = any(:ids)")
_CURRENT = sa.text("select * from meta.renewal_answer where known_to is null")
_CURRENT_OF_TERM = sa.text("select * from meta.renewal_answer where known_to is null and term_id = :term_id")
_OF_TERM = sa.text(
    "select answer_id from meta.renewal_answer where known_to is null and origin = 'cli' and term_id = :term_id"
)
_HAS_TERM = sa.text("select exists (select from core.agreed_term where term_id = :term_id)")
_HAS_DEAL = sa.text("select exists (select from core.opportunity where opportunity_key = :key and is_won)")
# Why an answer would have no effect; null if it has one.
_WHY_NOT = sa.text("""
    select case
        when o.opportunity_key = t.opportunity_key then 'it is the deal that created the term'
        when f.ultimate_parent_key <> g.ultimate_parent_key then 'it belongs to an account outside the family'
        when d.starts_on <= t.term_start
            then 'its lines start on ' || d.starts_on || ', not after the start of the term on ' || t.term_start
        when d.starts_on is null and t.due_date is null
            then 'it has no dates of its own, and the term runs until it is cancelled'
        when d.starts_on is null and t.is_auto_renew
            then 'it has no dates of its own, and the term auto-renews until a deal with dates replaces it'
    end
    from core.agreed_term as t
    join core.account_family as f on f.account_key = t.account_key
    cross join core.opportunity as o
    join core.account_family as g on g.account_key = o.account_key
    left join (
        select opportunity_key, max(term_start) as starts_on
        from core.contract_line
        where is_committed and arr > 0 and not is_addition
        group by opportunity_key
    ) as d on d.opportunity_key = o.opportunity_key
    where t.term_id = :term_id and o.opportunity_key = :key
""")
_MARK_DIRTY = sa.text(
    "insert into meta.dirty_range (batch_id, source, entity, account_ref, from_day)"
    " select distinct 0, split_part(account_key, ':', 1), 'opportunity', split_part(account_key, ':', 2),"
    " cast('0001-01-01' as date) from core.agreed_term where term_id = any(:ids)"
)
