"""Make the hand-off lists of the live touches: one list per touch and day, for the vendor's own mailing tool.

A list commits with the starts that it means for the experiment, or not at all. A list of today that exists is returned
as it is: making it again, after a failure or by hand, gives the same file. A list of nobody is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from include import config
from include.common import clock, texts
from include.common.errors import ConfigError
from include.config import Settings, templates
from include.config.own_texts import translated
from include.decide import readiness
from include.decide.playbooks import hold_outs
from include.decide.rules.evaluate import Hit, evaluate
from include.decide.rules.load import Rule
from include.decide.touches import exclusions, store
from include.decide.touches.exclusions import Contact
from include.decide.touches.load import load
from include.decide.touches.schema import Touch
from include.decide.touches.store import TouchList
from include.gate import newest_build
from include.outbox.store import NOT_WRITTEN
from include.warehouse import locks
from include.warehouse.engine import engine, has_table

_INPUTS = ("marts.act_account", "marts.account_rfm", "core.account", "core.contact", "staging.stg_crm__contact")


@dataclass(frozen=True)
class Made:
    """The result of one touch.

    Args:
        list: None if none could be made.
        is_new: False if the list of today was there before.
        reason: Why there is no list; "" if there is one.
    """

    list: TouchList | None = None
    is_new: bool = False
    reason: str = ""


def make(now: datetime | None = None) -> dict[str, Made]:
    """Make today's list of each live touch, in the order of their names.

    Returns:
        Touch -> its result.

    Raises:
        ConfigError: A touch cannot be evaluated; raised after the others were made.
    """
    made, problems = {}, []
    for name, rule in load().items():
        if rule.file.status != "live":
            continue
        try:
            with engine("builder").begin() as connection:
                made[name] = _make(connection, rule, now or clock.now())
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("; ".join(problems), cure="fix them and run again; all other lists were made")
    return made


def plan(name: str, now: datetime | None = None) -> Made:
    """Return what a touch would list today, also a draft. Nothing is stored.

    Raises:
        ConfigError: There is no such touch, or it cannot be evaluated.
    """
    rule = named(name)
    with engine("builder").connect() as connection, connection.begin() as transaction:
        made = _make(
            connection, replace(rule, file=rule.file.model_copy(update={"status": "live"})), now or clock.now()
        )
        transaction.rollback()
    return made if not made.list or not made.is_new else replace(made, list=replace(made.list, made_at=None))


def recent(connection: sa.Connection) -> dict[str, list[TouchList]]:
    """Return touch -> its lists of the last ``days_between`` days, whose contacts are capped, and at least the newest.

    Newest first.
    """
    return store.recent(connection, config.today() - timedelta(days=config.load().touches.days_between))


def named(name: str) -> Rule[Touch]:
    """Return one touch.

    Raises:
        ConfigError: There is no such touch.
    """
    touches = load()
    if name not in touches:
        raise ConfigError(f"unknown touch {name}", cure=f"known: {', '.join(touches)}")
    return touches[name]


def _make(connection: sa.Connection, rule: Rule[Touch], now: datetime) -> Made:
    settings, touch = config.load(), rule.file
    today = clock.day_in(settings.reporting_zone, now)
    # An erasure waits for the list, and the list for an erasure: else it could list a person who was just erased.
    connection.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": locks.SUPPRESSION_LOCK})
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.DECIDER_LOCK})
    if present := store.get(connection, touch.name, today):
        return Made(present)
    newest = newest_build.read(connection)
    if newest is None or not all(has_table(connection, name) for name in _INPUTS):
        return Made(reason="no tables have been built yet")
    if loading := readiness.first_loads(connection, settings, newest.watermarks):
        return Made(reason=f"the first load of {' and '.join(loading)} is in progress")
    ready = readiness.of_newest(connection, settings, now)
    hold_outs.assign(connection, [rule], today)
    held_out = hold_outs.held_out(connection, {touch.name: rule}, today).get(touch.name, frozenset())
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as tables:
        hits = [
            hit
            for hit in evaluate(tables, newest.newest_day, rule, unfit=ready.unfit)
            if hit.opens and not touch.audience.outside(hit.values) and _is_in_segment(touch, hit, settings)
        ]
        contacts = _contacts(tables, [hit.account_key for hit in hits], touch, settings, today)
    on_hold = {hit.account_key: ready.why_on_hold(hit.values["crm_source"], hit.account_key) for hit in hits}
    found = exclusions.select(touch, settings.touches, today, on_hold, contacts, held_out)
    accounts = {hit.account_key: hit for hit in hits}
    lines = [_line(touch, accounts[contact.account_key], contact, settings) for contact in found.listed]
    made = TouchList(
        touch.name, today, touch.version, len(hits), len(lines), dict(exclusions.in_order(found.counts)),
        store.digest(lines), now,
    )  # fmt: skip
    if lines:
        store.keep(connection, made, found.listed, lines, found.whole)
    arms = {contact.account_key: "acted" for contact in found.listed} | dict.fromkeys(found.held_out, "held_out")
    starts = [{"touch": touch.name, "account": key, "arm": arm, "day": today} for key, arm in arms.items()]
    if starts:
        connection.execute(_START, starts)
    return Made(made, is_new=True)


def _is_in_segment(touch: Touch, hit: Hit, settings: Settings) -> bool:
    scores = (hit.values[name] for name in ("recency", "frequency", "money"))
    return not touch.segments or settings.segments.of(*scores) in touch.segments


def _contacts(
    tables: sa.Connection, accounts: list[str], touch: Touch, settings: Settings, today: date
) -> list[Contact]:
    bound = {
        "accounts": accounts, "touch": touch.name, "today": today, "zone": settings.reporting_zone,
        "not_written": list(NOT_WRITTEN),
        "since": today - timedelta(days=max(settings.touches.days_between, touch.again_after_days)),
    }  # fmt: skip
    return [
        Contact(
            row.contact_key,
            row.account_key,
            row.address or "",
            row.name or "",
            texts.named(row.language)
            or texts.named(row.account_language)
            or settings.customer_report.languages.get(row.region or "")
            or settings.language,
            row.region,
            frozenset(role for role in ("decision_maker", "champion") if getattr(row, f"is_{role}")),
            row.is_opted_out,
            row.consent,
            row.last_on,
            row.last_of_touch_on,
            bool(row.has_bounced),
        )
        for row in tables.execute(_CONTACTS, bound)
    ]


def _line(touch: Touch, hit: Hit, contact: Contact, settings: Settings) -> str:
    values = {**hit.values, "contact_name": contact.name}
    with texts.reading(contact.language):
        subject = templates.subject(translated(touch.subject), values)
        body = templates.body(translated(touch.body), values)
    return store.line(
        (
            contact.contact_key, contact.account_key, hit.values["account_name"], contact.address, contact.name,
            contact.language, subject, body,
        )
    )  # fmt: skip


# What reached one address of a person reached all contacts with one of the person's addresses.
_CONTACTS = sa.text(f"""
with book as (
    select *, lower(nullif(trim(email), '')) as address from core.contact
),

{store.OPT_OUTS},

written as (
    select entity_kind, entity_id, lower(recipient) as address, cast(planned_at at time zone :zone as date) as day
    from ops.outbox
    where rule in (select playbook from ops.playbook_version)
        and state <> all(:not_written)
        and cast(planned_at at time zone :zone as date) > :since
),

reached as (
    select b.address, t.day, t.touch
    from ops.touch_contact as t
    join addresses as b on b.contact_key = t.contact_key
    where t.day > :since and t.day <= :today
    union all
    select address, day, '' from written
    union all
    select b.address, w.day, ''
    from written as w
    join addresses as b on b.contact_key = w.entity_id
    where w.entity_kind = 'contact'
),

last_days as (
    select b.contact_key, max(r.day) as last_on, max(case when r.touch = :touch then r.day end) as last_of_touch_on
    from addresses as b
    join reached as r on r.address = b.address
    group by b.contact_key
)

select
    b.contact_key, b.account_key, b.address, b.name, b.language, b.consent, b.is_decision_maker, b.is_champion,
    a.language as account_language, coalesce(b.region, a.region) as region, o.has_bounced, o.is_opted_out,
    d.last_on, d.last_of_touch_on
from book as b
left join core.account as a on a.account_key = b.account_key
left join opt_outs as o on o.address = b.address
left join last_days as d on d.contact_key = b.contact_key
where b.account_key = any(:accounts) and not coalesce(b.is_deleted, false)
order by b.account_key, b.contact_key
""")  # noqa: S608
# An account starts once: its first list, or the first that it would have been on.
_START = sa.text(
    "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence, opened_on,"
    " updated_on, closed_on, notified_as, arm) values (:touch, 'account', :account, 1, :account, 'closed', '{}',"
    " :day, :day, :day, 'silent', :arm) on conflict do nothing"
)
