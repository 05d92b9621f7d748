"""Plan the CRM task to tell an account that something it asked for has shipped: once per account and request.

Names of requests change by merges and erasures, so a task stores the keys of its asks, and these are not told again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup, escape

from include.analyses import requests
from include.common import formatting, working_days
from include.common.texts import gettext
from include.decide import alert_tasks
from include.decide.context import Day, Outcome
from include.decide.recipients import Owner, Recipient, calendar_of, recipient
from include.outbox import personal_data
from include.outbox.store import NOT_WRITTEN, Action
from include.warehouse.engine import engine, has_table

RULE = "request_shipped"
KIND = requests.KIND
DUE_IN = 5  # working days
# Requests that shipped longer ago are not told any more. This also skips the history of a first build.
TOLD_DAYS = 90
_N_ASKS = 5


def plan(day: Day) -> Outcome:
    """Return the tasks for accounts that asked for what has shipped since, and have no task about it yet."""
    outcome = Outcome()
    with engine("reader").connect() as connection:
        if not (has_table(connection, requests.DEMAND) and has_table(connection, "marts.act_account")):
            return outcome
        named = {
            "kind": KIND,
            "withdrawn": requests.NOT_SHIPPED,
            "not_written": list(NOT_WRITTEN),
            "midnight": day.start_of(day.today),
            "today": day.today,
            "since": day.today - timedelta(days=TOLD_DAYS),
        }
        rows = connection.execute(_TO_TELL, named).all()
    for row in rows:
        if day.readiness.why_on_hold(row.crm_source, row.account_key):
            outcome.n_on_hold += 1
            continue
        outcome.actions.append(_task(row, day))
    return outcome


def _task(row: Any, day: Day) -> Action:
    owner = Owner(row.owner_key, row.owner_name, row.owner_email, row.owner_team, row.owner_is_active)
    to = recipient(owner, "csm", day.settings.people)
    where = calendar_of(row.region, day.settings)
    due_on = working_days.due_date(day.today, DUE_IN, working_days.calendar(where.country))
    with day.reading(to.email):
        subject = gettext("Tell {account}: {request} has shipped", account=row.account_name, request=row.request)
        html = "<br>\n".join(_lines(row, to))
    state, reason = day.planned_state(alert_tasks.CHANNEL)
    subject = personal_data.plain(subject)
    return Action(
        channel=alert_tasks.CHANNEL,
        entity_kind=KIND,
        entity_id=row.account_key,
        rule=RULE,
        episode_no=row.episode_no,
        step=row.request,
        account_key=row.account_key,
        owner_key=to.owner_key,
        recipient=to.email,
        subject=subject,
        body={
            "subject": subject,
            "html": personal_data.plain(html),
            **alert_tasks.due(due_on, where.zone),
            "priority": "MEDIUM",
            "company_id": row.crm_account_id,
            "owner_id": to.owner_id,
            "asks": row.ask_keys,
        },
        reads=(row.crm_source,),
        not_after=day.after(day.today + timedelta(days=alert_tasks.USEFUL_DAYS)),
        version=f"{RULE} 1",
        state=state,
        reason=reason,
    )


def _lines(row: Any, to: Recipient) -> Iterator[Markup]:
    if to.note:
        yield from (escape(to.note), Markup(""))
    yield escape(
        gettext(
            "They asked for {request}, last on {asked}. It shipped on {shipped}.",
            request=row.request,
            asked=formatting.day(row.last_asked),
            shipped=formatting.day(row.shipped_on),
        )
    )
    if tickets := [key for key in row.ask_keys if not key.startswith("entry:")]:
        yield escape(gettext("Tickets: {tickets}", tickets=", ".join(tickets[:_N_ASKS])))
    yield from (Markup(""), escape(gettext("Write to the people who asked, and offer to show it to them.")))


# A task is planned again, and so refreshed, until it is sent. One that failed, expired or was withdrawn told nobody, so
# the next day plans another one. Dry run and people suppress tasks for good.
_TO_TELL = sa.text(f"""
with asked as (
    select k.account_key, d.request, d.shipped_on, max(k.asked_on) as last_asked,
        array_agg(k.ask_key order by k.asked_on desc, k.ask_key) as ask_keys
    from {requests.SHIPPED_ASKS}
    where d.shipped_on > :since
    group by k.account_key, d.request, d.shipped_on
),

tasks as (
    select entity_id, step, body -> 'asks' as asks,
        state = any(:not_written) and (state <> 'suppressed' or reason = :withdrawn) and external_id = ''
            and resolved_at < :midnight as is_untold
    from ops.outbox
    where entity_kind = :kind and state not in ('planned', 'parked')
)

select q.*, a.account_name, a.region, a.owner_key, a.owner_name, a.owner_email, a.owner_team, a.owner_is_active,
    a.crm_account_id, a.crm_source, (
        select 1 + count(*) from tasks as t where (t.entity_id, t.step) = (q.account_key, q.request)
    ) as episode_no
from asked as q
join marts.act_account as a on a.account_key = q.account_key
where not exists (
    select from tasks as t where t.asks ?| q.ask_keys and not t.is_untold
)
order by q.account_key, q.request
""")  # noqa: S608
