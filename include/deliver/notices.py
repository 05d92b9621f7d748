"""Send notices to the people who look after the data: a failed DAG, an incident, changed fields.

A notice is sent over every message channel that is turned on. It does not use the outbox: the caller records what was
sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from include.common import texts
from include.common.clock import now
from include.common.errors import ConfigError, PerennialError
from include.config import load
from include.config.channels import INTO_CRM, NAMES
from include.config.person import Person
from include.deliver.channels import open_channel
from include.deliver.channels.base import Outcome
from include.outbox.message import Message
from include.outbox.store import Delivery

log = logging.getLogger(__name__)

USEFUL = timedelta(days=1)


def channels() -> list[str]:
    """Return the message channels that are turned on. Without any, notices appear only in the log."""
    settings = load().channels
    return [name for name in NAMES if name not in INTO_CRM and not getattr(settings, name).dry_run]


def send(channel: str, to: str, message: Message, key: str) -> Outcome:
    """Send a notice over one channel.

    Args:
        to: The reader's e-mail address.
        key: Identifies the notice. A retry uses the same key.

    Raises:
        PerennialError: The channel as a whole failed, or does not know the reader.
    """
    sent_at = now()
    body = message.model_dump(mode="json")
    delivery = Delivery(
        key,
        channel,
        to,
        message.subject,
        body,
        sent_at + USEFUL,
        entity_kind="notice",
        rule="notice",
        sending_at=sent_at,
    )
    opened = open_channel(channel, load())
    try:
        return opened.send([replace(delivery, address=opened.address(delivery))])[key]
    finally:
        opened.close()


def written(to: Person, write: Callable[[], Message]) -> Message:
    """Return a notice in its reader's language; in English if a file of translations is wrong."""
    try:
        with texts.reading(load().language_of(to.email)):
            return write()
    except ConfigError as error:
        log.warning("the notice is written in English: %s", error)
        return write()


def notify(to: Person, write: Callable[[], Message]) -> None:
    """Send a notice over all channels once, in its reader's language. Failures are logged, not raised."""
    key = f"notice-{uuid4().hex}"
    message = written(to, write)
    for channel in channels():
        try:
            outcome = send(channel, to.email, message, key)
        except PerennialError as error:
            log.warning("the notice could not be sent by %s: %s", channel, error)
            continue
        if outcome.state != "sent":
            log.warning("the notice was not sent by %s: %s", channel, outcome.reason)
