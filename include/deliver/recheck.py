"""Re-check a delivery just before it is sent: its reason may be gone since the decision."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from include import config
from include.analyses import requests
from include.common import clock
from include.config.channels import INTO_CRM
from include.deliver.subjects import REPORT, SUBJECTS
from include.gate import verdicts
from include.outbox.store import NOT_WRITTEN, Delivery

_FRESH_SECONDS = 5.0
_CORRECTED = sa.text(
    "select exists (select from ops.outbox where entity_kind = :entity_kind and entity_id = :entity_id"
    " and step = :step and episode_no > :episode_no and undo = '' and state <> all(:not_written))"
).bindparams(not_written=list(NOT_WRITTEN))


@dataclass(frozen=True)
class Verdict:
    """Whether a delivery may be sent.

    Args:
        action: ``go``; ``wait`` for a cause that may pass; ``expired`` or ``suppressed`` permanently.
        reason: Why it may not.
    """

    action: Literal["go", "wait", "expired", "suppressed"]
    reason: str = ""


class Gate:
    """Caches the gate's answers for a few seconds: thousands of deliveries share a few questions."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def blocking_reason(self, delivery: Delivery, now: datetime) -> str:
        """Return why a delivery's data may not be used; "" if it may."""
        kind = action_kind(delivery.channel)
        reasons = self._cached((kind, delivery.reads), lambda: verdicts.sources_ready(delivery.reads, kind, now))
        if reasons:
            return "; ".join(reasons)
        quarantined = self._cached(delivery.reads, lambda: verdicts.quarantined(delivery.reads))
        return "; ".join(quarantined.get(delivery.account_key, ()))

    def has_shipped(self, connection: sa.Connection, delivery: Delivery, now: datetime) -> bool:
        """Return whether what a delivery is about has shipped, and its account had asked for it."""
        today = clock.day_in(config.load().reporting_zone, now)
        shipped = self._cached((requests.KIND, today), lambda: requests.shipped(connection, today))
        return (delivery.step, delivery.account_key) in shipped

    def _cached(self, key: Hashable, read: Callable[[], Any]) -> Any:
        read_at, answer = self._answers.get(key, (-_FRESH_SECONDS, None))
        if time.monotonic() - read_at >= _FRESH_SECONDS:
            answer = read()
            self._answers[key] = time.monotonic(), answer
        return answer


def action_kind(channel: str) -> str:
    """Return the kind of action for which the settings limit the age of data."""
    return "crm_task" if channel in INTO_CRM else "renewal_alert"


def check(connection: sa.Connection, delivery: Delivery, gate_now: Gate, now: datetime) -> Verdict:
    """Check one planned delivery.

    Args:
        connection: A connection whose role may read ops and marts.
    """
    if now >= delivery.not_after:
        return Verdict("expired", f"not sent by {delivery.not_after:%Y-%m-%d %H:%M} UTC")
    # Closing a task needs no check of the reason: it is sent because the reason is gone.
    if delivery.entity_kind in SUBJECTS and "closes" not in delivery.body:
        verdict = _check_subject(connection, delivery, now)
        if verdict:
            return verdict
    # Two mails with different figures would leave readers to guess: https://github.com/getsentry/sentry/issues/74619
    if delivery.entity_kind == REPORT and connection.execute(_CORRECTED, vars(delivery)).scalar():
        return Verdict("suppressed", "a corrected edition is sent instead")
    if delivery.entity_kind == requests.KIND and not gate_now.has_shipped(connection, delivery, now):
        return Verdict("suppressed", requests.NOT_SHIPPED)
    blocking_reason = gate_now.blocking_reason(delivery, now) if delivery.reads else ""
    return Verdict("wait", blocking_reason) if blocking_reason else Verdict("go")


def _check_subject(connection: sa.Connection, delivery: Delivery, now: datetime) -> Verdict | None:
    episode = connection.execute(
        sa.text(
            "select state, close_reason, snoozed_until from ops.episode where signal = :rule"
            " and entity_kind = :entity_kind and entity_id = :entity_id and episode_no = :episode_no"
        ),
        {
            "rule": delivery.rule,
            "entity_kind": delivery.entity_kind,
            "entity_id": delivery.entity_id,
            "episode_no": delivery.episode_no,
        },
    ).one_or_none()
    if episode is None or episode.state == "closed":
        return Verdict("suppressed", f"the reason is gone: {episode.close_reason if episode else 'no episode'}")
    if episode.snoozed_until and now.date() < episode.snoozed_until:
        return Verdict("wait", f"the CSM snoozed it until {episode.snoozed_until}")
    subject = SUBJECTS[delivery.entity_kind]
    row = connection.execute(
        sa.text(
            f"select owner_key, {subject.deadline} as deadline from {subject.table} where {subject.key} = :id"  # noqa: S608
            " order by as_of_day desc limit 1"
        ),
        {"id": delivery.entity_id},
    ).one_or_none()
    if row is None:
        return Verdict(
            "wait", f"the {delivery.entity_kind} is no longer listed; the next decision closes it or plans it again"
        )
    if delivery.owner_key and delivery.owner_key != (row.owner_key or ""):
        return Verdict("wait", "the account has a new owner; the next decision readdresses it")
    if delivery.deadline and delivery.deadline != row.deadline:
        return Verdict("wait", f"the decision date is now {row.deadline}; the next decision updates it")
    return None
