"""Ask a person to approve actions above the caps of a run, and record the answer.

The approval is a row of its own, and the actions point to it, so that Airflow and the command line answer the same one.
An approval only moves actions to ``planned``: the sender checks gate, episode and owner again, as for all others. The
environment names the approvers, not the overlay: otherwise anyone with write access to the overlay could name
themselves.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from include.common import clock, formatting, working_days
from include.common.errors import ConfigError
from include.config import Settings
from include.config.models import WorkingCalendar
from include.outbox import authors
from include.outbox.store import Action
from include.warehouse.engine import engine

Answer = Literal["approved", "rejected"]
# caps: actions above the caps of a run; tiers: proposed changes of customers' tiers.
About = Literal["caps", "tiers"]
APPROVERS = "PERENNIAL_APPROVERS"
# User names that Airflow uses when it requires no login.
_NOBODY = frozenset({"", "anonymous", "unnamed"})


class Refused(ConfigError):
    """This person may not give this answer. Somebody else may."""


@dataclass(frozen=True)
class Approval:
    """One request for approval.

    Args:
        run_id: The run that planned the actions.
        about: The kind of request.
        state: open, approved, rejected or expired.
        authors: People who may not approve it: they changed the configuration behind it, or started the run.
        expires_at: The time until which it can be answered.
        n_actions: The number of its actions, waiting or not.
        n_accounts: The number of accounts that they concern.
        is_author_known: Whether ``authors`` lists everybody who changed the configuration.
        refusals: Answers that did not count: by whom, when and why.
    """

    approval_id: str
    run_id: str
    state: str
    reason: str
    authors: tuple[str, ...]
    asked_at: datetime
    expires_at: datetime
    answered_by: str
    note: str
    n_actions: int
    n_accounts: int
    is_author_known: bool = True
    refusals: tuple[dict[str, str], ...] = ()
    about: About = "caps"

    @property
    def subject(self) -> str:
        """The request in one line."""
        if self.about == "tiers":
            return f"{formatting.count(self.n_actions, 'customer')} should change tier: {self.reason}"
        return f"{self.n_actions} actions on {self.n_accounts} accounts are above {self.reason}"


def request(
    connection: sa.Connection,
    actions: Sequence[Action],
    run_id: str,
    reason: str,
    by: str,
    settings: Settings,
    now: datetime,
    overlay: Mapping[str, str] | None = None,
    about: About = "caps",
) -> list[Action]:
    """Store a request for approval of parked actions.

    Args:
        reason: The cap that was reached, or the proposal.
        by: The person who started the run; "" if the schedule did. Neither they nor the people who changed the overlay
            may approve.
        overlay: The overlay's state before the decision read it. If it has changed since, nobody knows which state the
            decision used, so the authors count as unknown.
        about: The kind of request, which also sets how long it can be answered.

    Returns:
        The actions, each with the approval that it waits for.
    """
    if not actions:
        return []
    approval_id = f"{now:%Y%m%d-%H%M%S}-{actions[0].key[:6]}"
    changed = authors.since(_approved_overlay(connection))
    state = authors.state()
    is_known = changed.is_known and (overlay is None or overlay == state)
    connection.execute(
        sa.text(
            "insert into ops.approval"
            " (approval_id, run_id, reason, authors, is_author_known, overlay, asked_at, expires_at, about) values"
            " (:approval_id, :run_id, :reason, :authors, :is_known, cast(:overlay as jsonb), :now, :expires_at, :about)"
        ),
        {
            "is_known": is_known,
            "overlay": orjson.dumps(state).decode(),
            "approval_id": approval_id,
            "run_id": run_id,
            "reason": reason,
            "authors": sorted({author for author in (by, *changed.by) if author}),
            "now": now,
            "expires_at": _expires_at(now, settings, about),
            "about": about,
        },
    )
    reason = f"{reason}; waiting for approval {approval_id}"
    return [replace(action, approval_id=approval_id, reason=reason) for action in actions]


def _approved_overlay(connection: sa.Connection) -> dict[str, Any] | None:
    """Return the overlay's state of the last approved request; None if none was approved."""
    found: dict[str, Any] | None = connection.execute(
        sa.text(
            "select overlay from ops.approval where state = 'approved' and overlay <> '{}'"
            " order by asked_at desc, approval_id desc limit 1"
        )
    ).scalar()
    return found


def expire(connection: sa.Connection, now: datetime) -> int:
    """Expire overdue requests. Return the number of actions that expire with them."""
    ended = connection.execute(
        sa.text(
            "update ops.approval set state = 'expired', answered_at = :now where state = 'open' and expires_at <= :now"
            " returning approval_id"
        ),
        {"now": now},
    )
    return _settle(connection, ended.scalars().all(), "expired", "nobody approved it in time", now)


def find(states: Sequence[str] = ("open",), limit: int = 50, approval_id: str = "") -> list[Approval]:
    """Return requests, the newest first.

    Args:
        limit: The maximum number of requests.
    """
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select approval_id, run_id, state, reason, authors, asked_at, expires_at, answered_by, note,"
                " is_author_known, refusals, about,"
                " (select count(*) from ops.outbox as o where o.approval_id = a.approval_id) as n_actions,"
                " (select count(distinct account_key) from ops.outbox as o where o.approval_id = a.approval_id)"
                " as n_accounts from ops.approval as a"
                " where (a.approval_id = :approval_id or :approval_id = '' and a.state = any(:states))"
                " order by asked_at desc, approval_id limit :limit"
            ),
            {"states": list(states), "limit": limit, "approval_id": approval_id},
        ).mappings()
        return [
            Approval(**{**row, "authors": tuple(row["authors"]), "refusals": tuple(row["refusals"])}) for row in rows
        ]


def get(approval_id: str) -> Approval:
    """Return one request.

    Raises:
        ConfigError: No request has this id.
    """
    found = find(approval_id=approval_id) if approval_id else []
    if not found:
        raise ConfigError(f"unknown approval {approval_id!r}", cure="python -m include.cli approvals list")
    return found[0]


def listed(approval_id: str) -> list[dict[str, Any]]:
    """Return the actions of a request, the nearest deadline first."""
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select channel, rule, step, account_key, recipient, subject, deadline, state from ops.outbox"
                " where approval_id = :approval_id order by deadline nulls last, outbox_id"
            ),
            {"approval_id": approval_id},
        )
        return [dict(row) for row in rows.mappings()]


def answer(
    approval_id: str, answer: Answer, by: Sequence[str], note: str = "", now: datetime | None = None
) -> Approval:
    """Answer a request.

    Args:
        by: The names of the person who answers: login, name, address.

    Raises:
        Refused: This person may not give this answer.
        ConfigError: No request has this id, or it was already answered or has expired.
    """
    moment = now or clock.now()
    names = [name for name in by if name and name.lower() not in _NOBODY]
    if not names:
        raise Refused(
            f"approval {approval_id} was answered without a login",
            cure="log in to Airflow as yourself, or use the command line under your own login",
        )
    get(approval_id)
    with engine("builder").begin() as connection:
        expire(connection, moment)
        row = connection.execute(
            sa.text("select state, authors, answered_by from ops.approval where approval_id = :id for update"),
            {"id": approval_id},
        ).one()
        if row.state != "open":
            answered_by = f" by {row.answered_by}" if row.answered_by else ""
            raise ConfigError(f"approval {approval_id} is already {row.state}{answered_by}", cure="nothing to do")
        if answer == "approved":
            # Later decisions update waiting actions, so people who changed the overlay since the request are authors
            # too.
            changed = authors.since(_approved_overlay(connection))
            _check_approver(approval_id, [*row.authors, *changed.by], names)
        connection.execute(
            sa.text(
                "update ops.approval set state = :state, answered_at = :now, answered_by = :by, note = :note"
                " where approval_id = :id"
            ),
            {"id": approval_id, "state": answer, "now": moment, "by": names[0], "note": note},
        )
        if answer == "approved":
            _settle(connection, [approval_id], "planned", f"approved by {names[0]}", moment)
        else:
            reason = f"rejected by {names[0]}" + (f": {note}" if note else "")
            _settle(connection, [approval_id], "suppressed", reason, moment)
    return get(approval_id)


def leave_out(approval_id: str, account_key: str, by: str, note: str = "", now: datetime | None = None) -> int:
    """Reject the actions of one account, so that the rest can be approved. Return the number of rejected actions.

    Raises:
        ConfigError: No request has this id, or none of its actions waits for that account.
    """
    get(approval_id)
    reason = f"left out by {by}" + (f": {note}" if note else "")
    with engine("builder").begin() as connection:
        done = connection.execute(
            sa.text(
                "update ops.outbox set state = 'suppressed', reason = :reason, resolved_at = :now"
                " where state = 'parked' and approval_id = :id and account_key = :account"
            ),
            {"id": approval_id, "account": account_key, "reason": reason, "now": now or clock.now()},
        )
    if not done.rowcount:
        raise ConfigError(
            f"approval {approval_id} has no waiting actions for {account_key}",
            cure=f"python -m include.cli approvals show {approval_id}",
        )
    return done.rowcount


def _check_approver(approval_id: str, changed_by: Sequence[str], names: Sequence[str]) -> None:
    if own := _matching_name(changed_by, names):
        raise Refused(
            f"{own} cannot approve {approval_id}: they changed its configuration or started its run",
            cure="ask somebody else to approve it",
        )
    named = approvers()
    if not named:
        raise Refused(
            f"{approval_id} cannot be approved: {APPROVERS} is empty",
            cure=f"set {APPROVERS} in .env, or in the environment of Airflow's scheduler, and restart it",
        )
    if not set(names) & set(named):
        raise Refused(
            f"{names[0]} cannot approve {approval_id}: {APPROVERS} does not name them",
            cure=f"ask {', '.join(named)}",
        )


def approvers() -> tuple[str, ...]:
    """Return the logins of ``PERENNIAL_APPROVERS``, exactly as their owners log in; empty if it is not set.

    It is not a setting of the overlay, and git stores any name that a committer enters: otherwise, authors of an
    overlay change could approve it themselves.
    """
    return tuple(name for part in os.environ.get(APPROVERS, "").split(",") if (name := part.strip()))


def refuse(approval_id: str, by: str, reason: str, now: datetime | None = None) -> None:
    """Record an answer that did not count, for the next approvers to see."""
    entry = {"by": by, "at": (now or clock.now()).isoformat(timespec="seconds"), "reason": reason}
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text("update ops.approval set refusals = refusals || cast(:entry as jsonb) where approval_id = :id"),
            {"id": approval_id, "entry": orjson.dumps([entry]).decode()},
        )


def _settle(connection: sa.Connection, approvals: Sequence[str], state: str, reason: str, now: datetime) -> int:
    done = connection.execute(
        sa.text(
            "update ops.outbox set state = :state, reason = :reason,"
            " resolved_at = case when :state <> 'planned' then cast(:now as timestamptz) end"
            " where state = 'parked' and approval_id = any(:approvals)"
        ),
        {"state": state, "reason": reason, "now": now, "approvals": list(approvals)},
    )
    return done.rowcount


def _expires_at(now: datetime, settings: Settings, about: About) -> datetime:
    where = settings.people.calendars.get("default") or WorkingCalendar(country="US", zone="UTC")
    local_now = now.astimezone(ZoneInfo(where.zone))
    days = working_days.calendar(where.country)
    n_days = {
        "caps": settings.caps.approve_within_working_days,
        "tiers": settings.tiers.answer_within_working_days,
    }[about]
    day: date = days.get_nth_working_day(local_now.date(), n_days)
    return datetime.combine(day, local_now.time(), local_now.tzinfo)


def _matching_name(authors: Iterable[str], names: Iterable[str]) -> str:
    """Return the name under which a person is among the authors; "" if they are not."""
    known = {variant for author in authors for variant in _normalised(author)}
    return next((name for name in names if known & _normalised(name)), "")


def _normalised(name: str) -> set[str]:
    """Return the normalised names of one person: an address also counts as its local part.

    Letters that differ only in width or case, and invisible characters, do not make a name another person.
    """
    shown = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    name = " ".join(shown.casefold().split())
    return {name, name.partition("@")[0]}
