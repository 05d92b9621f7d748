"""Output of ``channel`` and ``deliver``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.config import load
from include.config.channels import NAMES
from include.deliver import holds
from include.deliver.deliver import Delivered
from include.warehouse.engine import engine

CHANNEL_COLUMNS = ("channel", "sends", "planned", "uncertain", "failed", "sent", "reason", "changed_by", "changed_at")
DELIVERY_COLUMNS = ("state", "rule", "step", "recipient", "subject", "deadline", "reason", "planned_at")


def delivered(result: Delivered) -> str:
    """Return the result of a delivery run as a sentence."""
    if result.is_busy:
        return "another sender is running; nothing was done"
    if not result.channels:
        return "nothing is due"
    channels = (
        f"{name}: {', '.join(f'{number} {state}' for state, number in sorted(counts.items()))}"
        for name, counts in result.channels.items()
    )
    left = f"; {result.n_left} left for the next pass" if result.n_left else ""
    return "; ".join(channels) + left + (" (dry run: nothing was sent)" if result.is_dry_run else "")


def channels() -> list[dict[str, Any]]:
    """Return one row for each channel."""
    settings = load().channels
    with engine("reader").connect() as connection:
        rows = connection.execute(sa.text("select channel, state, count(*) from ops.outbox group by 1, 2"))
        counts = {(channel, state): number for channel, state, number in rows}
    return [
        {
            "channel": state.channel,
            "sends": _sends(state, getattr(settings, state.channel).dry_run),
            **{name: counts.get((state.channel, name), 0) for name in ("planned", "uncertain", "failed", "sent")},
            "reason": state.reason,
            "changed_by": state.changed_by or "perennial",
            "changed_at": state.changed_at,
        }
        for state in holds.states()
    ]


def deliveries(channel: str, state: str, limit: int) -> list[dict[str, Any]]:
    """Return a channel's newest outbox rows.

    Raises:
        ConfigError: There is no such channel.
    """
    if channel not in NAMES:
        raise ConfigError(f"unknown channel {channel!r}", cure=f"channels are {', '.join(NAMES)}")
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select key, state, rule, step, recipient, subject, deadline, reason, external_id, n_attempts,"
                " notified_by, planned_at, resolved_at from ops.outbox"
                " where channel = :channel and (:state = '' or state = :state)"
                " order by outbox_id desc limit :limit"
            ),
            {"channel": channel, "state": state, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]


def _sends(state: holds.ChannelState, is_dry_run: bool) -> str:
    if is_dry_run:
        return "no: dry run"
    if not state.is_on_hold:
        return "yes"
    return "when compared" if state.ends_automatically else "no: on hold"
