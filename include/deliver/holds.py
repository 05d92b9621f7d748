"""Channels on hold: nothing leaves a store that may not know what has already left.

A new store, a restored backup and a copied database have in common that their outbox may miss messages that people have
received. Each is recognised by its *mark* (cluster, timeline and database); a channel that was not released under the
present mark is on hold. Slack and the CRM can be asked, so their hold ends by itself: every conversation is compared
before its first message, every task is looked up before it is written. E-mail cannot be asked and is released by a
person, who thereby says that what is planned has not been sent yet. A hold made by a person ends by a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.common import clock
from include.common.errors import ConfigError
from include.config.channels import NAMES
from include.warehouse.engine import engine

# Channels whose outside can be asked what it holds.
COMPARABLE = ("slack", "crm_task", "crm_field")
NEW_STORE = "new or restored store: not yet compared with the outside system"


@dataclass(frozen=True)
class ChannelState:
    """Whether a channel may send.

    Args:
        reason: Why it waits, or why it was released.
        changed_by: The person who said so; "" when Perennial did.
    """

    channel: str
    is_on_hold: bool
    reason: str
    changed_by: str
    changed_at: datetime

    @property
    def ends_by_itself(self) -> bool:
        """Whether a hold ends without a person: the outside can be asked, and nobody has said otherwise."""
        return self.channel in COMPARABLE and not self.changed_by


def mark(connection: sa.Connection) -> str:
    """Return what distinguishes this store from every copy of it, as far as the server lets us ask."""
    may_ask = connection.execute(
        sa.text(
            "select has_function_privilege('pg_control_system()', 'execute')"
            " and has_function_privilege('pg_control_checkpoint()', 'execute')"
        )
    ).scalar_one()
    # Hosted servers may keep cluster and timeline to themselves; the installation's own id then says less.
    known = (
        "(select system_identifier from pg_control_system()) || '-'"
        " || (select timeline_id from pg_control_checkpoint())"
        if may_ask
        else "(select installation_id::text from meta.installation)"
    )
    database = "(select oid from pg_database where datname = current_database())"
    return str(connection.execute(sa.text(f"select {known} || '-' || {database}")).scalar_one())


def state(connection: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """Return a channel's state, holding it first if this store is not the one it was released on."""
    connection.execute(
        sa.text(
            "insert into ops.channel (channel, reason, store_mark, changed_at) values (:channel, :reason, :mark, :now)"
            " on conflict (channel) do update set is_on_hold = true, reason = excluded.reason, changed_by = '',"
            " store_mark = excluded.store_mark, changed_at = excluded.changed_at"
            " where channel.store_mark <> excluded.store_mark"
        ),
        {"channel": channel, "reason": NEW_STORE, "mark": mark(connection), "now": now},
    )
    row = connection.execute(
        sa.text("select channel, is_on_hold, reason, changed_by, changed_at from ops.channel where channel = :channel"),
        {"channel": channel},
    ).one()
    return ChannelState(*row)


def states(now: datetime | None = None) -> list[ChannelState]:
    """Return the state of every channel."""
    with engine("builder").begin() as connection:
        return [state(connection, channel, now or clock.now()) for channel in NAMES]


def release(channel: str, reason: str, by: str, now: datetime | None = None) -> None:
    """Let a channel send again.

    Args:
        reason: Why that is safe; kept.

    Raises:
        ConfigError: There is no such channel, or no reason was given.
    """
    _change(channel, False, reason, by, now)


def hold(channel: str, reason: str, by: str, now: datetime | None = None) -> None:
    """Stop a channel until it is released; what is planned waits, and expires when its time is over."""
    _change(channel, True, reason, by, now)


def release_compared(connection: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """End a hold that ends by itself: from here on each address or task is compared before it is first written to."""
    connection.execute(
        sa.text(
            "update ops.channel set is_on_hold = false, reason = :reason, changed_at = :now"
            " where channel = :channel and is_on_hold and changed_by = ''"
        ),
        {"channel": channel, "reason": "compared with the outside before the first write to each place", "now": now},
    )
    return state(connection, channel, now)


def is_compared(connection: sa.Connection, channel: str, address: str) -> bool:
    """Return whether an address was compared with this very store."""
    return bool(
        connection.execute(
            sa.text(
                "select count(*) from ops.compared_address"
                " where channel = :channel and address = :address and store_mark = :mark"
            ),
            {"channel": channel, "address": address, "mark": mark(connection)},
        ).scalar_one()
    )


def note_compared(
    connection: sa.Connection, channel: str, address: str, found: Mapping[str, str], now: datetime
) -> None:
    """Remember what an address has received; rows that it has received already are recorded as sent."""
    for key, external_id in found.items():
        connection.execute(
            sa.text(
                "insert into ops.found_outside (channel, key, external_id, found_at)"
                " values (:channel, :key, :external_id, :now) on conflict do nothing"
            ),
            {"channel": channel, "key": key, "external_id": external_id, "now": now},
        )
    connection.execute(
        sa.text(
            "update ops.outbox set state = 'sent', external_id = found.external_id, resolved_at = :now,"
            " reason = 'found in the outside system' from ops.found_outside as found"
            " where found.channel = :channel and outbox.channel = :channel and found.key = outbox.key"
            " and outbox.state = 'planned'"
        ),
        {"channel": channel, "now": now},
    )
    connection.execute(
        sa.text(
            "insert into ops.compared_address (channel, address, store_mark, compared_at)"
            " values (:channel, :address, :mark, :now) on conflict do nothing"
        ),
        {"channel": channel, "address": address, "mark": mark(connection), "now": now},
    )


def _change(channel: str, is_on_hold: bool, reason: str, by: str, now: datetime | None) -> None:
    if channel not in NAMES:
        raise ConfigError(f"unknown channel {channel!r}", cure=f"channels are {', '.join(NAMES)}")
    if not reason.strip():
        raise ConfigError("no reason was given", cure="say why with --reason; it is kept with the change")
    moment = now or clock.now()
    with engine("builder").begin() as connection:
        state(connection, channel, moment)
        connection.execute(
            sa.text(
                "update ops.channel set is_on_hold = :is_on_hold, reason = :reason, changed_by = :by, changed_at = :now"
                " where channel = :channel"
            ),
            {
                "channel": channel,
                "is_on_hold": is_on_hold,
                "reason": reason.strip(),
                "by": by or "unnamed",
                "now": moment,
            },
        )
