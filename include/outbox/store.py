"""The outbox: every outside effect is first a row here, with a key derived from its subject, rule and step.

The key contains neither the recipient nor the text. The 30-day reminder of a renewal is therefore sent once, even if
the account's CSM or figures change. The next decision updates rows that have not been sent. It never changes rows that
were sent or suppressed, or have expired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from include.outbox import personal_data

ALERT_TASK = "task"  # the step of an alert's single CRM task

State = Literal["planned", "parked", "sending", "sent", "uncertain", "failed", "suppressed", "expired"]
# Nothing was written outside, and nothing will be.
NOT_WRITTEN: tuple[State, ...] = ("failed", "suppressed", "expired")


@dataclass(frozen=True)
class Action:
    """One planned outside effect.

    Args:
        channel: The channel, such as slack, email or crm_task.
        entity_kind: The kind of its subject, such as ``renewal``.
        rule: The signal or playbook that planned it.
        step: The rung, or the playbook's step.
        owner_key: The account's owner, if they are the recipient; else "".
        recipient: The person's e-mail address.
        reads: Sources whose data it shows. They must be up to date and validated when it is sent.
        deadline: The decision date that it is about.
        not_after: The time from which it is no longer sent.
        state: ``planned``, or another initial state: ``suppressed`` under dry run, ``expired`` for a rung passed over,
            ``parked`` until a person approves it.
        reason: The reason of a state other than ``planned``.
        approval_id: The approval that a parked action waits for.
    """

    channel: str
    entity_kind: str
    entity_id: str
    rule: str
    episode_no: int
    step: str
    account_key: str
    recipient: str
    subject: str
    body: dict[str, Any]
    reads: tuple[str, ...]
    not_after: datetime
    version: str
    owner_key: str = ""
    deadline: date | None = None
    not_before: datetime | None = None
    state: State = "planned"
    reason: str = ""
    approval_id: str | None = None

    @property
    def key(self) -> str:
        """Its key, 40 hexadecimal digits: the same in every run and in every store."""
        return make_key(self.entity_kind, self.entity_id, self.rule, self.episode_no, self.step, self.channel)


def make_key(entity_kind: str, entity_id: str, rule: str, episode_no: int, step: str, channel: str) -> str:
    """Return the key of an outside effect."""
    parts = orjson.dumps([entity_kind, entity_id, rule, episode_no, step, channel])
    return hashlib.sha256(parts).hexdigest()[:40]


@dataclass(frozen=True)
class Delivery:
    """A row of the outbox, as the sender reads it."""

    key: str
    channel: str
    recipient: str
    subject: str
    body: dict[str, Any]
    not_after: datetime
    outbox_id: int = 0
    entity_kind: str = ""
    entity_id: str = ""
    rule: str = ""
    episode_no: int = 0
    step: str = ""
    account_key: str = ""
    owner_key: str = ""
    address: str = ""
    reads: tuple[str, ...] = ()
    deadline: date | None = None
    not_before: datetime | None = None
    state: State = "sending"
    reason: str = ""
    notified_by: str = ""
    external_id: str = ""
    n_attempts: int = 0
    next_attempt_at: datetime | None = None
    version: str = ""
    sending_at: datetime | None = None
    run_id: str = ""
    undo: str = ""

    def fallback_key(self, channel: str) -> str:
        """Return the key of the same message on another channel."""
        return make_key(self.entity_kind, self.entity_id, self.rule, self.episode_no, self.step, channel)


DELIVERY_COLUMNS = tuple(Delivery.__dataclass_fields__)


@dataclass
class Planned:
    """The number of outbox rows that a plan created or changed, by state."""

    planned: int = 0
    parked: int = 0
    refreshed: int = 0
    suppressed: int = 0
    expired: int = 0
    found_outside: int = 0
    keys: list[str] = field(default_factory=list)


_PLAN = """
with new_rows as (
    select * from jsonb_to_recordset(cast(:actions as jsonb)) as action (
        key text, channel text, entity_kind text, entity_id text, rule text, episode_no int, step text,
        account_key text, owner_key text, recipient text, subject text, body jsonb, reads text[], deadline date,
        not_before timestamptz, not_after timestamptz, version text, state text, reason text, approval_id text
    )
)
insert into ops.outbox as present (
    key, channel, entity_kind, entity_id, rule, episode_no, step, account_key, owner_key, recipient, subject, body,
    reads, deadline, not_before, not_after, version, state, reason, external_id, decision_id, run_id, approval_id,
    planned_at, resolved_at
)
select
    key, channel, entity_kind, entity_id, rule, episode_no, step, account_key, owner_key, recipient, subject, body,
    reads, deadline, not_before, not_after, version,
    case when found.external_id is not null then 'sent' else state end,
    case when found.external_id is not null then 'found in the outside system' else reason end,
    coalesce(found.external_id, ''), :decision_id, :run_id, approval_id, :now,
    case when found.external_id is not null or state not in ('planned', 'parked') then cast(:now as timestamptz) end
from new_rows left join ops.found_outside as found using (channel, key)
order by key
on conflict (key) do update set
    owner_key = excluded.owner_key, recipient = excluded.recipient, subject = excluded.subject, body = excluded.body,
    reads = excluded.reads, deadline = excluded.deadline, not_after = excluded.not_after, version = excluded.version,
    decision_id = excluded.decision_id
where present.state in ('planned', 'parked') and excluded.state in ('planned', 'parked')
    and (present.owner_key, present.recipient, present.subject, present.body, present.reads, present.deadline,
         present.not_after, present.version)
    is distinct from (excluded.owner_key, excluded.recipient, excluded.subject, excluded.body, excluded.reads,
         excluded.deadline, excluded.not_after, excluded.version)
returning key, (xmax = 0) as is_new, state, reason
"""


def plan(
    connection: sa.Connection, actions: Sequence[Action], decision_id: str, now: datetime, run_id: str = ""
) -> Planned:
    """Write planned effects. Known ones are not planned again, and are refreshed only if they have not been sent.

    Args:
        run_id: The run that ``undo`` finds them under, if it is not the decision itself.
    """
    if not actions:
        return Planned()
    rows = [{**asdict(action), "key": action.key, "subject": personal_data.plain(action.subject)} for action in actions]
    rows_json = orjson.dumps(rows, default=_json).decode()
    parameters = {"actions": rows_json, "decision_id": decision_id, "run_id": run_id or decision_id, "now": now}
    found = connection.execute(sa.text(_PLAN), parameters).all()
    result = Planned(keys=[row.key for row in found if row.is_new])
    for row in found:
        if not row.is_new:
            result.refreshed += 1
        elif row.state == "sent":
            result.found_outside += 1
        else:
            setattr(result, row.state, getattr(result, row.state) + 1)
    return result


def states(connection: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return the states of the keys that exist."""
    rows = connection.execute(sa.text("select key, state from ops.outbox where key = any(:keys)"), {"keys": list(keys)})
    return dict(rows.tuples().all())


def read(
    connection: sa.Connection, condition: str, order: str = "outbox_id", source: str = "", **parameters: object
) -> list[Delivery]:
    """Return rows of the outbox.

    Args:
        condition: SQL over ops.outbox, written in the calling code.
        source: Only rows about accounts of this CRM source; "" for all.
    """
    statement = (
        f"select {', '.join(DELIVERY_COLUMNS)} from ops.outbox where {condition}"  # noqa: S608
        f" and starts_with(account_key, :accounts) order by {order}"
    )
    rows = connection.execute(sa.text(statement), {**parameters, "accounts": f"{source}:" if source else ""}).mappings()
    return [Delivery(**{**row, "reads": tuple(row["reads"])}) for row in rows]


def claim(connection: sa.Connection, key: str, address: str, now: datetime) -> bool:
    """Claim a row for sending to an address. Return False if it is no longer planned."""
    done = connection.execute(
        sa.text(
            "update ops.outbox set state = 'sending', sending_at = :now, address = :address,"
            " n_attempts = n_attempts + 1, reason = '' where key = :key and state = 'planned' and undo = ''"
        ),
        {"key": key, "address": address, "now": now},
    )
    return done.rowcount == 1


def set_state(
    connection: sa.Connection,
    key: str,
    state: State,
    now: datetime,
    *,
    reason: str = "",
    external_id: str = "",
    next_attempt_at: datetime | None = None,
) -> None:
    """Record the new state of a row."""
    ended = state not in ("planned", "parked", "uncertain")
    connection.execute(
        sa.text(
            "update ops.outbox set state = :state, reason = :reason, next_attempt_at = :next_attempt_at,"
            " external_id = coalesce(nullif(:external_id, ''), external_id),"
            " resolved_at = case when :ended then cast(:now as timestamptz) end where key = :key"
        ),
        {
            "key": key,
            "state": state,
            "reason": reason,
            "next_attempt_at": next_attempt_at,
            "external_id": external_id,
            "ended": ended,
            "now": now,
        },
    )


def _json(value: object) -> str:
    return str(value)
