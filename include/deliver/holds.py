"""Put channels on hold when a store may not know which messages have already been sent.

The outbox of a new store, a restored backup or a copied database may lack messages that people have received. Each
store is recognised by its *mark* (cluster, timeline and database). A channel that was not released under the current
mark is on hold. Slack and the CRM keep a history, so their hold ends automatically: every conversation is compared
before its first message, and every task is looked up before it is written. E-mail has no history. A person releases it,
and thereby confirms that planned mails have not been sent yet. A hold by a person can only be released by a person.
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

# Channels with a history that can be compared.
COMPARABLE = ("slack", "crm_task", "crm_field")
NEW_STORE = "new or restored database: not yet compared with the outside system"


@dataclass(frozen=True)
class ChannelState:
    """Whether a channel may send.

    Args:
        reason: Why it is on hold, or why it was released.
        changed_by: The person who changed it; "" if Perennial did.
    """

    channel: str
    is_on_hold: bool
    reason: str
    changed_by: str
    changed_at: datetime

    @property
    def ends_automatically(self) -> bool:
        """Whether a hold ends without a person: the channel can be compared, and no person set the hold."""
        return self.channel in COMPARABLE and not self.changed_by


def store_mark(connection: sa.Connection) -> str:
    """Return the mark that distinguishes this store from every copy of it, if the server reveals it."""
    is_readable = connection.execute(
        sa.text(
            "select has_function_privilege('pg_control_system()', 'execute')"
            " and has_function_privilege('pg_control_checkpoint()', 'execute')"
        )
    ).scalar_one()
    # Hosted servers may hide cluster and timeline. The installation's own id is then a weaker mark.
    known = (
        "(select system_identifier from pg_control_system()) || '-'"
        " || (select timeline_id from pg_control_checkpoint())"
        if is_readable
        else "(select installation_id::text from meta.installation)"
    )
    database = "(select oid from pg_database where datname = current_database())"
    return str(connection.execute(sa.text(f"select {known} || '-' || {database}")).scalar_one())


def state(connection: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """Return a channel's state. Put it on hold first if it was released on another store."""
    connection.execute(
        sa.text(
            "insert into ops.channel (channel, reason, store_mark, changed_at) values (:channel, :reason, :mark, :now)"
            " on conflict (channel) do update set is_on_hold = true, reason = excluded.reason, changed_by = '',"
            " store_mark = excluded.store_mark, changed_at = excluded.changed_at"
            " where channel.store_mark <> excluded.store_mark"
        ),
        {"channel": channel, "reason": NEW_STORE, "mark": store_mark(connection), "now": now},
    )
    row = connection.execute(
        sa.text("select channel, is_on_hold, reason, changed_by, changed_at from ops.channel where channel = :channel"),
        {"channel": channel},
    ).one()
    return ChannelState(*row)


def states(now: datetime | None = None) -> list[ChannelState]:
    with engine("builder").begin() as connection:
        return [state(connection, channel, now or clock.now()) for channel in NAMES]


def release(channel: str, reason: str, by: str, now: datetime | None = None) -> None:
    """Let a channel send again.

    Args:
        reason: Why that is safe. It is stored.

    Raises:
        ConfigError: There is no such channel, or the reason is empty.
    """
    _change(channel, False, reason, by, now)


def hold(channel: str, reason: str, by: str, now: datetime | None = None) -> None:
    """Stop a channel until it is released. Planned deliveries wait, and expire when they are overdue."""
    _change(channel, True, reason, by, now)


def release_compared(connection: sa.Connection, channel: str, now: datetime) -> ChannelState:
    """End an automatic hold. From now on each address or task is compared before the first write to it."""
    connection.execute(
        sa.text(
            "update ops.channel set is_on_hold = false, reason = :reason, changed_at = :now"
            " where channel = :channel and is_on_hold and changed_by = ''"
        ),
        {
            "channel": channel,
            "reason": "each address is compared with the outside system before the first write to it",
            "now": now,
        },
    )
    return state(connection, channel, now)


def is_compared(connection: sa.Connection, channel: str, address: str) -> bool:
    """Return whether an address has been compared with this store."""
    return bool(
        connection.execute(
            sa.text(
                "select count(*) from ops.compared_address"
                " where channel = :channel and address = :address and store_mark = :mark"
            ),
            {"channel": channel, "address": address, "mark": store_mark(connection)},
        ).scalar_one()
    )


def record_compared(
    connection: sa.Connection, channel: str, address: str, found: Mapping[str, str], now: datetime
) -> None:
    """Store the history of an address. Planned rows that it already received are recorded as sent."""
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
        {"channel": channel, "address": address, "mark": store_mark(connection), "now": now},
    )


def _change(channel: str, is_on_hold: bool, reason: str, by: str, now: datetime | None) -> None:
    if channel not in NAMES:
        raise ConfigError(f"unknown channel {channel!r}", cure=f"channels are {', '.join(NAMES)}")
    if not reason.strip():
        raise ConfigError("no reason was given", cure="give --reason; it is stored with the change")
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
