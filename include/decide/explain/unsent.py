"""What nobody was told about accounts lately, with the day and the reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from include import config
from include.common.words import word
from include.decide.explain.read import delivered, held_back
from include.decide.rule_texts import live_signals, titles
from include.decide.rules.reasons import DetailedReason, Reason

DAYS = 14
_FILTERS = (
    Reason.QUIET_PERIOD, Reason.COOL_DOWN, Reason.OTHER_RISK_OPEN, Reason.MINIMUM_HISTORY, Reason.SNOOZED,
    Reason.ANSWERED,
)  # fmt: skip
_GATE = (Reason.QUARANTINED, Reason.NOT_READ)


@dataclass(frozen=True)
class Unsent:
    """Something that was not sent.

    Args:
        account_key: The account; "" for all accounts of a source.
        about: The title of the rule; "" for all rules.
        why: The reason, in the reader's language.
    """

    day: date
    account_key: str
    name: str
    about: str
    why: str


def read(connection: sa.Connection, accounts: Collection[str] | None, limit: int) -> list[Unsent]:
    """Return what was not sent in the last days, newest first.

    Args:
        accounts: Only about these; None for all.
        limit: The most to return.
    """
    today, known = config.today(), titles()
    named = {
        "accounts": None if accounts is None else list(accounts), "since": today - timedelta(days=DAYS),
        "today": today, "live": live_signals(), "zone": config.load().reporting_zone,
        "filters": list(_FILTERS), "gate": list(_GATE),
    }  # fmt: skip
    found = [(row, why) for row in connection.execute(_EVALUATIONS, named) for why in _blocked(row)]
    found += [
        (row, why)
        for row in connection.execute(_EPISODES, named)
        for why in held_back(row, "live", today)
        if why.reason is not Reason.DAILY_BUDGET  # it is in the digest instead
    ]
    messages = connection.execute(_MESSAGES, named)
    for _, same in groupby(messages, key=lambda row: (row.day, row.rule, row.entity_id, row.step)):
        rows = list(same)
        found += [(rows[0], why) for why in delivered(rows) if why.reason is not Reason.PLANNED]
    found.sort(key=lambda one: one[0].day, reverse=True)
    return [
        Unsent(row.day, row.account_key, row.name, known.get(row.rule) or word(row.rule), why.text)
        for row, why in found[:limit]
    ]


def _blocked(row: Any) -> Iterator[DetailedReason]:
    if row.rule:
        yield DetailedReason(Reason(row.reason), row.facts)
    elif row.account_key:
        yield DetailedReason(Reason(row.reason), {"source": list(row.facts["sources"])})
    else:
        for source, state in row.facts["sources"].items():
            if state["reasons"]:
                facts = {"source": source, "reason": "; ".join(state["reasons"])}
                yield DetailedReason(Reason.SOURCE_NOT_READY, facts)


_MINE = "(cast(:accounts as text[]) is null or t.account_key = any(cast(:accounts as text[])))"
_NAMED = "left join core.account as a on a.account_key = t.account_key"
_EVALUATIONS = sa.text(
    "select t.day, t.account_key, coalesce(a.name, '') as name, t.rule, t.reason, t.facts"  # noqa: S608
    f" from ops.evaluation as t {_NAMED} where t.day = (select max(day) from ops.evaluation) and t.day > :since"
    f" and (t.rule <> '' and t.reason = any(:filters) and {_MINE}"
    f" or t.rule = '' and t.reason = any(:gate) and {_MINE} or t.rule = '' and t.subject_id = '')"
    " order by t.account_key, t.rule"
)
_EPISODES = sa.text(
    "select t.opened_on as day, t.account_key, coalesce(a.name, '') as name, t.signal as rule, t.opened_on,"  # noqa: S608
    f" t.notified_as, t.arm, t.snoozed_until from ops.episode as t {_NAMED}"
    f" where t.state = 'open' and t.signal = any(:live) and t.opened_on > :since and {_MINE}"
)
_MESSAGES = sa.text(
    "select cast(t.planned_at at time zone :zone as date) as day, t.account_key, coalesce(a.name, '') as name,"  # noqa: S608
    " t.rule, t.entity_id, t.step, t.channel, t.state, t.reason, t.approval_id, t.address,"
    " coalesce(c.is_on_hold, false) as is_on_hold"
    f" from ops.outbox as t {_NAMED} left join ops.channel as c on c.channel = t.channel"
    " where t.state in ('planned', 'parked', 'suppressed', 'failed', 'expired') and left(t.step, 6) <> 'close:'"
    f" and cast(t.planned_at at time zone :zone as date) > :since and {_MINE}"
    " order by 1 desc, t.rule, t.entity_id, t.step, t.outbox_id"
)
