"""Store episodes: the period during which a rule holds for one subject, opened, updated and closed with evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import orjson
import sqlalchemy as sa

Kind = Literal["open", "update", "close", "notify", "escalate"]
RENEWAL = "renewal"  # the entity kind of renewals, and the signal name of the ladder


@dataclass(frozen=True)
class Episode:
    signal: str
    entity_kind: str
    entity_id: str
    episode_no: int
    account_key: str
    state: Literal["open", "closed"]
    opened_on: date
    updated_on: date
    evidence: dict[str, Any]
    severity: str = "normal"
    closed_on: date | None = None
    notified_as: str = ""
    notified_on: date | None = None
    notified_step: str = ""
    arm: str = ""
    answer: str = ""
    snoozed_until: date | None = None
    assignee_key: str = ""
    escalated_to: Literal["", "lead", "head"] = ""
    escalated_on: date | None = None

    def is_snoozed(self, day: date) -> bool:
        """Return whether its reader has snoozed it to a later day."""
        return self.snoozed_until is not None and day < self.snoozed_until

    def change(self, kind: Kind, evidence: dict[str, Any], **fields: Any) -> Change:
        """Return a change of this episode.

        Args:
            **fields: The other fields of ``Change``.
        """
        this = {name: getattr(self, name) for name in ("entity_kind", "account_key")}
        return Change(kind, self.signal, self.entity_id, self.episode_no, evidence=evidence, **(this | fields))


@dataclass(frozen=True)
class Change:
    """One change of an episode.

    Args:
        episode_no: The number of the episode for this rule and subject, from 1.
        evidence: The figures behind the change, with their day.
        severity: ``high`` when the decision date is near, or the signal's condition for high severity holds.
        entity_kind: The kind of subject.
        notified_as: How the CSM is notified: ``alert``, ``digest``, ``waiting`` for a later one, ``silent`` for never.
        notified_step: The event that the CSM is notified of: the episode opened, or became worse.
        arm: For playbooks, set when the episode opens: ``acted``, or ``held_out`` for the hold-out group, which gets no
            tasks.
        answer: The outcome that a person entered when they closed it; "" if nobody did.
        escalated_to: The manager to whom it is escalated.
    """

    kind: Kind
    signal: str
    entity_id: str
    episode_no: int
    account_key: str
    evidence: dict[str, Any]
    severity: str = "normal"
    reason: str = ""
    entity_kind: str = RENEWAL
    notified_as: str = ""
    notified_step: str = ""
    arm: str = ""
    answer: str = ""
    escalated_to: Literal["", "lead", "head"] = ""


def read(connection: sa.Connection, rules: Sequence[str], entity_kind: str = "") -> list[Episode]:
    """Return the last episode of each rule and subject.

    Args:
        entity_kind: Only subjects of this kind; "" for all.
    """
    rows = connection.execute(
        sa.text(
            f"select distinct on (signal, entity_kind, entity_id) {', '.join(Episode.__dataclass_fields__)}"  # noqa: S608
            " from ops.episode where signal = any(:rules) and :kind in ('', entity_kind)"
            " order by signal, entity_kind, entity_id, episode_no desc"
        ),
        {"rules": list(rules), "kind": entity_kind},
    ).mappings()
    return [Episode(**row) for row in rows]


def apply(connection: sa.Connection, changes: Sequence[Change], day: date) -> None:
    """Store changes. Updates and notifications that change nothing are not written."""
    by_kind: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _STATEMENTS}
    for change in changes:
        found = orjson.dumps(change.evidence, default=str).decode()
        by_kind[change.kind].append({**vars(change), "evidence": found, "day": day})
    for kind, statement in _STATEMENTS.items():
        if by_kind[kind]:
            connection.execute(sa.text(statement), by_kind[kind])


_THIS = (
    "signal = :signal and entity_kind = :entity_kind and entity_id = :entity_id and episode_no = :episode_no"
    " and state = 'open'"
)
_STATEMENTS = {
    "close": (
        "update ops.episode set state = 'closed', closed_on = :day, updated_on = :day, close_reason = :reason,"  # noqa: S608
        " answer = :answer, evidence = evidence || jsonb_build_object('closed_by', cast(:evidence as jsonb))"
        f" where {_THIS}"
    ),
    "open": (
        "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, severity, evidence,"
        " opened_on, updated_on, notified_as, arm) values (:signal, :entity_kind, :entity_id, :episode_no,"
        " :account_key, 'open', :severity, cast(:evidence as jsonb), :day, :day, :notified_as, :arm)"
    ),
    "update": (
        "update ops.episode set updated_on = :day, severity = :severity, account_key = :account_key,"  # noqa: S608
        f" evidence = cast(:evidence as jsonb) where {_THIS} and (updated_on, severity, account_key, evidence)"
        " is distinct from (:day, :severity, :account_key, cast(:evidence as jsonb))"
    ),
    "notify": (
        "update ops.episode set notified_as = :notified_as, notified_step = :notified_step, notified_on = :day"  # noqa: S608
        f" where {_THIS} and (notified_as, notified_step, notified_on) is distinct from"
        " (:notified_as, :notified_step, cast(:day as date))"
    ),
    "escalate": f"update ops.episode set escalated_to = :escalated_to, escalated_on = :day where {_THIS}",  # noqa: S608
}
