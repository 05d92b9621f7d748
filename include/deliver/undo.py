"""Takes back what a run has set in motion, as far as the outside system allows it: first asked for in a row, then done.

Asking is one transaction: what has not left never will, what has is marked. Taking back is repeatable: a run that
is killed half way resumes, and what was uncertain is taken back once it is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from include.common import clock
from include.common.errors import ConfigError
from include.deliver import uncertain
from include.deliver.channels.base import Channel
from include.outbox import store
from include.outbox.store import Delivery
from include.warehouse.engine import engine

SHOWN = ("result", "channel", "recipient", "subject", "reason")
_OUT = "'sending', 'sent', 'uncertain'"
# A task whose call failed may be in the CRM all the same; it is planned again because doing it twice does no harm.
_MAY_BE_OUT = f"{_OUT}, 'planned'"
_NOT_OUT = ("planned", "suppressed", "expired")


def ask(run_id: str, by: str, reason: str, now: datetime | None = None) -> int:
    """Stop what a run has planned, and ask for the rest to be taken back.

    Args:
        run_id: The decision that planned it.
        reason: Why; kept.

    Returns:
        How many messages and tasks of the run there are.

    Raises:
        ConfigError: The run planned nothing, or no reason was given.
    """
    if not reason.strip():
        raise ConfigError("no reason was given", cure='say why with --reason "..."')
    moment = now or clock.now()
    values = {"run_id": run_id, "reason": f"undone by {by}: {reason.strip()}", "now": moment}
    with engine("builder").begin() as connection:
        number = connection.execute(sa.text("select count(*) from ops.outbox where run_id = :run_id"), values).scalar()
        if not number:
            raise ConfigError(
                f"the run {run_id!r} planned nothing",
                cure="`python -m include.cli undo` without --run lists the last runs",
            )
        # What is being claimed at this moment is waited for, and is out by then.
        connection.execute(
            sa.text(
                "update ops.outbox set state = 'suppressed', reason = :reason, resolved_at = :now"
                " where run_id = :run_id and state in ('planned', 'parked') and n_attempts = 0"
            ),
            values,
        )
        connection.execute(
            sa.text(
                "update ops.outbox set undo = 'asked', undo_reason = :reason"  # noqa: S608
                " where run_id = :run_id and undo = ''"
                f" and (state in ({_MAY_BE_OUT}) or state = 'failed' and external_id <> '')"
            ),
            values,
        )
        connection.execute(
            sa.text(
                "update ops.approval set state = 'rejected', answered_at = :now, answered_by = :by, note = :reason"
                " where run_id = :run_id and state = 'open'"
            ),
            {**values, "by": by},
        )
    return int(number)


def withdraw(connection: sa.Connection) -> None:
    """Stop copies over a second channel of what was asked back."""
    connection.execute(
        sa.text(
            "update ops.outbox as o set state = case when o.state = 'planned' then 'suppressed' else o.state end,"  # noqa: S608
            " undo = case when o.state = 'planned' then '' else 'asked' end, undo_reason = first.undo_reason"
            " from (select run_id, min(undo_reason) as undo_reason from ops.outbox where undo <> ''"
            " group by run_id) as first"
            f" where o.run_id = first.run_id and o.decision_id = :sender and o.undo = ''"
            f" and o.state in ({_MAY_BE_OUT})"
        ),
        {"sender": uncertain.DECISION},
    )


def due(channel: str, source: str, now: datetime) -> list[Delivery]:
    """Return what was asked back and is known to be out, or may be by now.

    Args:
        source: Only what is about accounts of this CRM source; "" for all.
    """
    with engine("builder").connect() as connection:
        return store.read(
            connection,
            "channel = :channel and undo = 'asked' and state <> 'sending'"
            # What is still on its way would arrive after it was looked for.
            " and (state in ('sent', 'failed') or sending_at <= :settled)",
            channel=channel,
            settled=now - uncertain.SETTLE,
            source=source,
        )


def take_back(
    channel: Channel, deliveries: Sequence[Delivery], now: datetime, is_over: Callable[[], bool]
) -> Counter[str]:
    """Take deliveries back and record what became of each.

    Args:
        deliveries: What was asked back.
        is_over: Says whether to leave the rest to the next pass.
    """
    counts: Counter[str] = Counter()
    if not channel.is_repeatable:
        # What is planned again there has certainly not arrived, and what can be looked up is looked up first.
        if never_sent := [delivery for delivery in deliveries if delivery.state in _NOT_OUT]:
            counts["never sent"] = _withhold(never_sent, now)
        deliveries = [
            delivery
            for delivery in deliveries
            if delivery.state in ("sent", "failed")
            or (delivery.state == "uncertain" and delivery.next_attempt_at is None)
        ]
    for start in range(0, len(deliveries), channel.batch_size):
        batch = deliveries[start : start + channel.batch_size]
        stays = channel.take_back(batch)
        with engine("builder").begin() as connection:
            for delivery in batch:
                why = stays.get(delivery.key, "")
                _note(connection, delivery, why, now)
                counts["stays" if why else "taken back"] += 1
        if is_over():
            break
    return counts


def leave(deliveries: Sequence[Delivery], why: str, now: datetime) -> None:
    """Note of deliveries that they cannot be taken back.

    Args:
        why: Why it cannot be.
    """
    with engine("builder").begin() as connection:
        for delivery in deliveries:
            _note(connection, delivery, why, now)


def _note(connection: sa.Connection, delivery: Delivery, why: str, now: datetime) -> None:
    connection.execute(
        sa.text(
            "update ops.outbox set undo = :undo, undo_reason = undo_reason || :why,"
            " state = case when state = 'planned' or state = 'uncertain' and :undo = 'done' then 'suppressed'"
            " else state end, resolved_at = coalesce(resolved_at, :now) where key = :key"
        ),
        {"key": delivery.key, "undo": "stays" if why else "done", "why": f"; {why}" if why else "", "now": now},
    )


def _withhold(deliveries: Sequence[Delivery], now: datetime) -> int:
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text(
                "update ops.outbox set state = 'suppressed', resolved_at = :now, reason = undo_reason, undo = ''"
                " where key = any(:keys)"
            ),
            {"keys": [delivery.key for delivery in deliveries], "now": now},
        )
    return len(deliveries)


def listed(run_id: str) -> list[dict[str, Any]]:
    """Return what became of each message and task of a run that was asked back, what is still out first."""
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select case when undo = 'done' then 'taken back' when undo = 'stays' then 'stays'"
                " when undo = 'asked' then 'not yet taken back' when state = 'suppressed' then 'never sent'"
                " else state end as result, channel, recipient, subject,"
                " case when undo = '' then reason else undo_reason end as reason from ops.outbox"
                " where run_id = :run_id order by undo = '', undo = 'done', channel, outbox_id"
            ),
            {"run_id": run_id},
        )
        return [dict(row) for row in rows.mappings()]


def runs(limit: int = 20) -> list[dict[str, Any]]:
    """Return the last runs that planned something, the newest first."""
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select run_id as run, min(planned_at) as planned_at, count(*) as actions,"
                " count(*) filter (where state = 'sent') as sent, count(*) filter (where undo = 'done') as taken_back"
                " from ops.outbox group by run_id order by min(planned_at) desc limit :limit"
            ),
            {"limit": limit},
        )
        return [dict(row) for row in rows.mappings()]
