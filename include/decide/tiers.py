"""Propose tier changes: one list per quarter, which a lead approves before anything is written.

An approved change is written to the CRM's account record, if it differs there, and comes back with the next read of the
CRM. Accounts without a tier get a proposal at the end of each month.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import sqlalchemy as sa

from include.decide.context import Day
from include.outbox import approvals
from include.outbox.store import Action
from include.scores.value import proposals
from include.scores.value.tiers import Proposal

CHANNEL = "crm_field"
KIND = RULE = "tier"
VALUE = "tier"  # the name of the value in channels.yaml
# An approved change must be written within this many days; otherwise the end of the next quarter proposes it again.
_USEFUL_DAYS = 60


def ask(
    connection: sa.Connection, decision_id: str, day: Day, by: str = "", overlay: Mapping[str, str] | None = None
) -> list[Action]:
    """Return new proposals, each change with the approval that it waits for.

    Args:
        by: The person who started the decision; they may not approve it. "" if the schedule did.
        overlay: The state of the config overlay, read before the decision started.
    """
    properties = _properties(day)
    if not properties:
        return []
    listed = proposals.read(connection, day.settings, day.today)
    submitted: list[Action] = []
    for end, step in ((listed.quarter, "change"), (listed.month, "first")):
        if end is None or _is_submitted(connection, end, step):
            continue
        found = [each for each in listed.found if each.is_change and (each.kind == "first") == (step == "first")]
        actions = [_action(day, each, end, step, properties) for each in found if _is_writable(day, each, properties)]
        waiting = [action for action in actions if action.state == "parked"]
        what = "first tiers" if step == "first" else "changes"
        reason = f"{what} by customer value on {end}"
        submitted += [action for action in actions if action.state != "parked"]
        submitted += approvals.request(
            connection, waiting, decision_id, reason, by, day.settings, day.now, overlay=overlay, about="tiers"
        )
    return submitted


def _properties(day: Day) -> dict[str, str]:
    """Return CRM source -> the account property for the tier, where channels.yaml names one."""
    fields = day.settings.channels.crm_field.fields
    return {source: name for source, named in fields.items() for name, value in named.items() if value == VALUE}


def _is_writable(day: Day, proposal: Proposal, properties: Mapping[str, str]) -> bool:
    one = proposal.candidate
    return one.crm_source in properties and not day.readiness.why_on_hold(one.crm_source, one.account_key)


def _action(day: Day, proposal: Proposal, end: date, step: str, properties: Mapping[str, str]) -> Action:
    one = proposal.candidate
    state, reason = day.planned_state(CHANNEL)
    changes = proposals.changes(day.settings, one.tier, proposal.to_tier)
    return Action(
        channel=CHANNEL,
        entity_kind=KIND,
        entity_id=one.account_key,
        rule=RULE,
        episode_no=_number(end),
        step=step,
        account_key=one.account_key,
        recipient="",
        subject=f"Tier of {one.name}: {one.tier or 'none'} -> {proposal.to_tier} ({proposal.reason}); {changes}",
        body={
            "record": one.crm_account_id,
            "fields": {properties[one.crm_source]: day.settings.tiers.crm_name(proposal.to_tier)},
        },
        reads=(one.crm_source,),
        not_after=day.after(day.today + timedelta(days=_USEFUL_DAYS)),
        version=f"{RULE} 1",
        state="parked" if state == "planned" else state,
        reason=reason,
    )


def _number(end: date) -> int:
    return end.year * 100 + end.month


def _is_submitted(connection: sa.Connection, end: date, step: str) -> bool:
    """Return whether a period's list was already submitted. A list is submitted once."""
    return bool(
        connection.execute(
            sa.text(
                "select exists (select from ops.outbox where entity_kind = :kind and rule = :rule"
                " and episode_no = :number and step = :step)"
            ),
            {"kind": KIND, "rule": RULE, "number": _number(end), "step": step},
        ).scalar()
    )
