"""Undo a run where its channels allow it: first mark its deliveries as recalled, then withdraw them.

Recalling is one transaction: deliveries that were not sent never will be, and the others are marked. Withdrawing is
repeatable: if it is killed half way, the next pass resumes, and uncertain deliveries are withdrawn once their outcome
is known.
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
_OUTSIDE = "'sending', 'sent', 'uncertain'"
# A task whose call failed may still be in the CRM. It is planned again, because writing it twice is safe.
_MAYBE_OUTSIDE = f"{_OUTSIDE}, 'planned'"
_NOT_OUTSIDE = ("planned", "suppressed", "expired")


def recall(run_id: str, by: str, reason: str, now: datetime | None = None) -> int:
    """Stop a run's planned deliveries, and recall the others.

    Args:
        run_id: The decision that planned them.
        reason: Why. It is stored.

    Returns:
        The number of the run's messages and tasks.

    Raises:
        ConfigError: The run planned nothing, or the reason is empty.
    """
    if not reason.strip():
        raise ConfigError("no reason was given", cure='give --reason "..."')
    moment = now or clock.now()
    values = {"run_id": run_id, "reason": f"undone by {by}: {reason.strip()}", "now": moment}
    with engine("builder").begin() as connection:
        number = connection.execute(sa.text("select count(*) from ops.outbox where run_id = :run_id"), values).scalar()
        if not number:
            raise ConfigError(
                f"the run {run_id!r} planned nothing",
                cure="`python -m include.cli undo` without --run lists recent runs",
            )
        # Race with a sender: this update waits for the lock of a row that is being claimed, and then skips the row. The
        # next update recalls it.
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
                f" and (state in ({_MAYBE_OUTSIDE}) or state = 'failed' and external_id <> '')"
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


def recall_copies(connection: sa.Connection) -> None:
    """Stop or recall copies of recalled deliveries on a second channel."""
    connection.execute(
        sa.text(
            "update ops.outbox as o set state = case when o.state = 'planned' then 'suppressed' else o.state end,"  # noqa: S608
            " undo = case when o.state = 'planned' then '' else 'asked' end, undo_reason = first.undo_reason"
            " from (select run_id, min(undo_reason) as undo_reason from ops.outbox where undo <> ''"
            " group by run_id) as first"
            f" where o.run_id = first.run_id and o.decision_id = :sender and o.undo = ''"
            f" and o.state in ({_MAYBE_OUTSIDE})"
        ),
        {"sender": uncertain.DECISION},
    )


def due(channel: str, source: str, now: datetime) -> list[Delivery]:
    """Return recalled deliveries that are outside, or may be by now.

    Args:
        source: Only deliveries about accounts of this CRM source; "" for all.
    """
    with engine("builder").connect() as connection:
        return store.read(
            connection,
            "channel = :channel and undo = 'asked' and state <> 'sending'"
            # A call still in progress would arrive after the lookup, so wait until it has settled.
            " and (state in ('sent', 'failed') or sending_at <= :settled)",
            channel=channel,
            settled=now - uncertain.SETTLE,
            source=source,
        )


def take_back(
    channel: Channel, deliveries: Sequence[Delivery], now: datetime, is_over: Callable[[], bool]
) -> Counter[str]:
    """Withdraw recalled deliveries and record each outcome.

    Args:
        is_over: Returns whether to leave the rest to the next pass.
    """
    counts: Counter[str] = Counter()
    if not channel.is_repeatable:
        # On such a channel, a delivery that is planned again has certainly not arrived. Uncertain ones are looked up
        # first.
        if never_sent := [delivery for delivery in deliveries if delivery.state in _NOT_OUTSIDE]:
            counts["never sent"] = _suppress(never_sent, now)
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
                reason = stays.get(delivery.key, "")
                _note(connection, delivery, reason, now)
                counts["stays" if reason else "taken back"] += 1
        if is_over():
            break
    return counts


def record_staying(deliveries: Sequence[Delivery], reason: str, now: datetime) -> None:
    """Record that deliveries cannot be withdrawn.

    Args:
        reason: Why not.
    """
    with engine("builder").begin() as connection:
        for delivery in deliveries:
            _note(connection, delivery, reason, now)


def _note(connection: sa.Connection, delivery: Delivery, reason: str, now: datetime) -> None:
    connection.execute(
        sa.text(
            "update ops.outbox set undo = :undo, undo_reason = undo_reason || :why,"
            " state = case when state = 'planned' or state = 'uncertain' and :undo = 'done' then 'suppressed'"
            " else state end, resolved_at = coalesce(resolved_at, :now) where key = :key"
        ),
        {
            "key": delivery.key,
            "undo": "stays" if reason else "done",
            "why": f"; {reason}" if reason else "",
            "now": now,
        },
    )


def _suppress(deliveries: Sequence[Delivery], now: datetime) -> int:
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
    """Return the outcome of each message and task of an undone run, those still outside first."""
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
