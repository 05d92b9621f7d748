"""Answers given on the command line. They take effect with the next build, for the accounts that they affect."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common.errors import ConfigError
from include.identity import review, store
from include.identity.store import NOBODY, Answer
from include.warehouse import locks
from include.warehouse.engine import engine


def match(source: str, source_id: str, account_key: str, *, reason: str, by: str) -> None:
    """Match an id to an account. This replaces earlier answers about the id.

    Raises:
        ConfigError: There is no such id or account, or the file answers it.
    """
    _answer(Answer(source, source_id, account_key, True, reason, by))


def unmatch(source: str, source_id: str, account_key: str = "", *, reason: str, by: str) -> None:
    """Record that an id does not belong to this account, or to no customer at all.

    Args:
        source: The connection that uses the id.
        account_key: The account that it does not belong to; empty for all.
        by: Who answers.

    Raises:
        ConfigError: There is no such id or account, or the file answers it.
    """
    _answer(Answer(source, source_id, account_key or NOBODY, False, reason, by))


def withdraw(source: str, source_id: str) -> int:
    """Withdraw the command line's answers about an id; return how many there were.

    Raises:
        ConfigError: The file answers it.
    """
    _refuse_if_in_file(source, source_id)
    with engine("builder").begin() as connection:
        now = locks.stamp(connection)
        ids = [answer_id for answer_id, *_ in _current_answers(connection, source, source_id)]
        store.end(connection, ids, now)
        if ids:
            store.mark_dirty(connection, {(source, source_id)})
    return len(ids)


def _answer(answer: Answer) -> None:
    if not answer.reason.strip():
        raise ConfigError("an answer requires a reason", cure="give one with --reason")
    _refuse_if_in_file(answer.source, answer.source_id)
    with engine("builder").begin() as connection:
        now = locks.stamp(connection)
        _must_exist(connection, answer)
        before = _current_answers(connection, answer.source, answer.source_id)
        if any((key, is_match) == (answer.account_key, answer.is_match) for _, key, is_match in before):
            return
        # An id can have several answers "not this account". Any other answer replaces all others.
        alone = answer.is_match or answer.account_key == NOBODY
        ended = [
            answer_id
            for answer_id, key, is_match in before
            if alone or is_match or NOBODY in (key, answer.account_key) or key == answer.account_key
        ]
        store.end(connection, ended, now)
        store.add(connection, answer, "cli", now)
        store.mark_dirty(connection, {(answer.source, answer.source_id)})


def _refuse_if_in_file(source: str, source_id: str) -> None:
    if any((one.source, one.source_id) == (source, source_id) for one in store.in_file()):
        raise ConfigError(
            f"{source} {source_id} is answered in config/identity.yaml", cure="change the answer there, then build"
        )


def _current_answers(connection: Connection, source: str, source_id: str) -> list[tuple[int, str, bool]]:
    rows = connection.execute(
        sa.text(
            "select answer_id, account_key, is_match from meta.identity_answer"
            " where source = :source and source_id = :id and origin = 'cli' and known_to is null"
        ),
        {"source": source, "id": source_id},
    )
    return [(answer_id, account_key, is_match) for answer_id, account_key, is_match in rows]


def _must_exist(connection: Connection, answer: Answer) -> None:
    review.must_be_built(connection)
    if not _is_known(connection, answer.source, answer.source_id, "entity <> 'account'"):
        raise ConfigError(
            f"{answer.source} has no organisation or product account {answer.source_id}",
            cure="see `python -m include.cli identity review` for unmatched ids",
        )
    if answer.account_key == NOBODY:
        return
    source, _, account_id = answer.account_key.partition(":")
    if not _is_known(connection, source, account_id, "entity = 'account'"):
        raise ConfigError(
            f"unknown account {answer.account_key}", cure="give its source and its id in that source, such as crm:1001"
        )


def _is_known(connection: Connection, source: str, source_id: str, where: str) -> bool:
    query = f"select exists (select from core.account_bridge where source = :source and source_id = :id and {where})"  # noqa: S608
    return bool(connection.execute(sa.text(query), {"source": source, "id": source_id}).scalar())
