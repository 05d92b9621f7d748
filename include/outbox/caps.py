"""Limit how much one run may plan on its own: actions above the caps are parked until a person approves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa

from include.common import formatting
from include.config.models import Caps
from include.outbox.store import Action


@dataclass(frozen=True)
class Split:
    """Actions, split at the caps.

    Args:
        reason: The cap that was reached; "" if none was.
    """

    within: list[Action]
    above: list[Action]
    reason: str = ""


def split(connection: sa.Connection, actions: Sequence[Action], run_id: str, caps: Caps, book: int) -> Split:
    """Split actions into those within a run's caps and those above. The nearest deadlines are planned first.

    Only newly planned actions count, including those that an earlier attempt of the same run planned.

    Args:
        actions: The actions of the run, highest priority first among equal deadlines.
        book: The number of accounts.
    """
    known = set(
        connection.execute(
            sa.text("select key from ops.outbox where key = any(:keys)"), {"keys": [action.key for action in actions]}
        ).scalars()
    )
    # Closing a task does not count: it reduces the open work in the CRM.
    new_actions = [
        action
        for action in actions
        if action.state == "planned" and action.key not in known and "closes" not in action.body
    ]
    before = connection.execute(
        sa.text(
            "select count(*) as n, coalesce(array_agg(distinct account_key), '{}') as accounts from ops.outbox"
            " where run_id = :run_id and approval_id is null and (state not in ('suppressed', 'expired'))"
        ),
        {"run_id": run_id},
    ).one()
    n, touched, most_accounts = before.n, set(before.accounts), caps.accounts(book)
    above: dict[str, str] = {}
    for action in sorted(new_actions, key=lambda action: action.deadline or date.max):
        is_new = bool(action.account_key) and action.account_key not in touched
        if n >= caps.actions_per_run:
            above[action.key] = f"the cap of {formatting.count(caps.actions_per_run, 'action')} per run"
        elif is_new and len(touched) >= most_accounts:
            above[action.key] = (
                f"the cap of {formatting.count(most_accounts, 'account')} per run, with {book} customers"
            )
        else:
            n += 1
            touched.add(action.account_key)
    return Split(
        [action for action in actions if action.key not in above],
        [replace(action, state="parked") for action in actions if action.key in above],
        " and ".join(dict.fromkeys(above.values())),
    )
