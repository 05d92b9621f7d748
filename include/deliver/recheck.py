"""The last look before something leaves: what was right when it was decided may be wrong now."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from include.config.channels import INTO_CRM
from include.deliver.subjects import SUBJECTS
from include.gate import verdicts
from include.outbox.store import Letter

_FRESH_SECONDS = 5.0


@dataclass(frozen=True)
class Verdict:
    """Whether a letter may leave.

    Args:
        says: ``go``; ``wait`` for a cause that may pass; ``expired`` or ``suppressed`` for good.
        because: Why it may not.
    """

    says: Literal["go", "wait", "expired", "suppressed"]
    because: str = ""


class Gate:
    """The gate's answers, asked again every few seconds: thousands of letters share a handful of questions."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def why_not(self, letter: Letter, now: datetime) -> str:
        """Return why a letter's data may not be acted upon; "" if it may."""
        kind = action_kind(letter.channel)
        reasons = self._ask((kind, letter.reads), lambda: verdicts.sources_ready(letter.reads, kind, now))
        if reasons:
            return "; ".join(reasons)
        quarantined = self._ask(letter.reads, lambda: verdicts.quarantined(letter.reads))
        return "; ".join(quarantined.get(letter.account_key, ()))

    def _ask(self, question: Hashable, ask: Callable[[], Any]) -> Any:
        asked_at, answer = self._answers.get(question, (-_FRESH_SECONDS, None))
        if time.monotonic() - asked_at >= _FRESH_SECONDS:
            answer = ask()
            self._answers[question] = time.monotonic(), answer
        return answer


def action_kind(channel: str) -> str:
    """Return the kind of action by which settings say how old its data may be."""
    return "crm_task" if channel in INTO_CRM else "renewal_alert"


def look(connection: sa.Connection, letter: Letter, gate_now: Gate, now: datetime) -> Verdict:
    """Judge one planned letter.

    Args:
        connection: Of a role that reads ops and marts.
        letter: A planned row.
        gate_now: The gate's answers of this pass.
        now: The time.
    """
    if now >= letter.not_after:
        return Verdict("expired", f"not sent by {letter.not_after:%Y-%m-%d %H:%M} UTC")
    # What closes a task goes out because its reason is gone.
    if letter.entity_kind in SUBJECTS and "closes" not in letter.body:
        over = _look_at_subject(connection, letter, now)
        if over:
            return over
    why_not = gate_now.why_not(letter, now) if letter.reads else ""
    return Verdict("wait", why_not) if why_not else Verdict("go")


def _look_at_subject(connection: sa.Connection, letter: Letter, now: datetime) -> Verdict | None:
    episode = connection.execute(
        sa.text(
            "select state, closed_because, snoozed_until from ops.episode where signal = :rule"
            " and entity_kind = :entity_kind and entity_id = :entity_id and episode_no = :episode_no"
        ),
        {
            "rule": letter.rule,
            "entity_kind": letter.entity_kind,
            "entity_id": letter.entity_id,
            "episode_no": letter.episode_no,
        },
    ).one_or_none()
    if episode is None or episode.state == "closed":
        return Verdict("suppressed", f"the reason is gone: {episode.closed_because if episode else 'no episode'}")
    if episode.snoozed_until and now.date() < episode.snoozed_until:
        return Verdict("wait", f"its reader snoozed it until {episode.snoozed_until}")
    subject = SUBJECTS[letter.entity_kind]
    row = connection.execute(
        sa.text(
            f"select owner_key, {subject.deadline} as deadline from {subject.table} where {subject.key} = :id"  # noqa: S608
            " order by as_of_day desc limit 1"
        ),
        {"id": letter.entity_id},
    ).one_or_none()
    if row is None:
        return Verdict(
            "wait", f"the {letter.entity_kind} is not listed any more; the next decision says what happened to it"
        )
    if letter.owner_key and letter.owner_key != (row.owner_key or ""):
        return Verdict("wait", "the account has another owner now; the next decision addresses it again")
    if letter.deadline and letter.deadline != row.deadline:
        return Verdict("wait", f"the decision date is now {row.deadline}; the next decision writes it again")
    return None
