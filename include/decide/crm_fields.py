"""Plan updates of the fields that Perennial keeps in the CRM's account records, when a value has changed.

Writes are numbered like episodes, so that each has a unique key. Values that depend on a source that is not up to date
and validated are left out, and the CRM record keeps its last value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.common import texts
from include.decide.context import Day, Outcome
from include.decide.risk import Risk, Risks
from include.decide.touches import store as touches
from include.decide.touches.load import load as load_touches
from include.outbox.store import Action
from include.warehouse.engine import engine, has_table

CHANNEL = "crm_field"
KIND = "record"  # entity kind: an account's CRM record, independent of its episodes
RULE = "crm_fields"
# Values that were not written within this many days are planned again.
_USEFUL_DAYS = 7
_LONGEST_TEXT = 250
_RISKS = ("risk_band", "open_risks")
# The kinds of source that the health score depends on, in addition to the CRM.
_HEALTH = frozenset({"product", "support"})


@dataclass
class WriteHistory:
    """The writes of one account so far.

    Args:
        number: The number of the last write; 0 for none.
        state: The state of the last write.
        values: Property -> the value that was last written or is about to be.
    """

    number: int = 0
    state: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def plan(connection: sa.Connection, day: Day, risks: Risks) -> Outcome:
    """Return one write for each account whose fields changed."""
    outcome, wanted = Outcome(), day.settings.channels.crm_field.fields
    if not wanted:
        return outcome
    last_alerts = _last_alerts(connection, day)
    last_touches: dict[str, str] = {}
    if any("touch" in values.values() for values in wanted.values()):
        since = day.today - timedelta(days=day.settings.touches.days_between)
        rules = {name: touch.file.consent for name, touch in load_touches().items()}
        last_touches = touches.last_of_accounts(connection, since, day.settings.touches.consent, rules)
    history = _write_history(connection, is_dry=day.settings.channels.crm_field.dry_run)
    for row in _accounts(day, list(wanted)):
        key, previous = row.account_key, history[row.account_key]
        if day.readiness.why_on_hold(row.crm_source, key):
            outcome.n_on_hold += 1
            continue
        values = {
            "next_decision_on": row.next_decision_date,
            "arr": row.arr,
            "last_alert_on": last_alerts.get(key),
            "touch": last_touches.get(key),
        }
        if not risks.kinds & day.readiness.unfit_kinds(key):
            has_data = {"product": row.usage_28d is not None, "support": row.n_open_tickets is not None}
            with texts.reading(day.settings.language):
                values |= _risk_values(risks.of(key, has_data))
        if not _HEALTH & day.readiness.unfit_kinds(key):
            # Rounded to whole points: ageing alone changes the decimals every day.
            is_known = row.health is not None and row.health_band != "unknown"
            values |= {"health": round(row.health) if is_known else None, "health_band": row.health_band}
        named = {name: value for name, value in wanted[row.crm_source].items() if value in values}
        fields = {name: _as_written(values[value]) for name, value in named.items()}
        # A write is in flight: its outcome decides what the record contains, so wait before planning another.
        if previous.state in ("sending", "uncertain") or not _differ(fields, previous.values):
            continue
        kinds_shown = (risks.kinds if set(named.values()) & set(_RISKS) else frozenset()) | (
            _HEALTH if {"health", "health_band"} & set(named.values()) else frozenset()
        )
        billing = (state.source for state in day.readiness.billing(row.account_key))
        reads = (
            row.crm_source,
            *billing,
            *(state.source for kind in sorted(kinds_shown) for state in day.readiness.of_kind(kind)),
        )
        number = previous.number + (previous.state not in ("planned", "parked"))
        outcome.actions.append(_action(day, row, fields, number, reads))
    return outcome


def _action(day: Day, row: Any, fields: dict[str, Any], number: int, reads: tuple[str, ...]) -> Action:
    state, reason = day.planned_state(CHANNEL)
    return Action(
        channel=CHANNEL,
        entity_kind=KIND,
        entity_id=row.account_key,
        rule=RULE,
        episode_no=number,
        step="values",
        account_key=row.account_key,
        recipient="",
        subject=f"Update {', '.join(sorted(fields))} of {row.account_name}",
        body={"record": row.crm_account_id, "fields": fields},
        reads=reads,
        not_after=day.after(day.today + timedelta(days=_USEFUL_DAYS)),
        version=f"{RULE} 1",
        state=state,
        reason=reason,
    )


def _risk_values(risk: Risk) -> dict[str, str]:
    titles = texts.gettext("; ").join(risk.titles)
    return dict(zip(_RISKS, (risk.band, titles[:_LONGEST_TEXT]), strict=True))


def _differ(fields: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return any(name not in known or known[name] != value for name, value in fields.items())


def _as_written(value: Any) -> Any:
    """Return a value as JSON stores it: a number or a text."""
    if isinstance(value, (Decimal, int)):
        return float(value)
    return value if value is None else str(value)


def _accounts(day: Day, sources: list[str]) -> Iterable[Any]:
    with engine("reader").connect() as tables:
        if not has_table(tables, "marts.act_account"):
            return ()
        return tables.execute(
            sa.text(
                "select account_key, account_name, crm_source, crm_account_id, next_decision_date, arr, usage_28d,"
                " n_open_tickets, health, health_band"
                " from marts.act_account where as_of_day = :as_of and crm_source = any(:sources)"
                " order by arr desc nulls last, account_key"
            ),
            {"as_of": day.as_of, "sources": sources},
        ).all()


def _last_alerts(connection: sa.Connection, day: Day) -> dict[str, Any]:
    """Return account -> the day of the last message about it. Digests name accounts, but are not about one."""
    rows = connection.execute(
        sa.text(
            "select account_key, cast(max(resolved_at) at time zone :zone as date) from ops.outbox"
            " where state = 'sent' and channel = any(:channels) and entity_kind in ('renewal', 'account', 'contact')"
            " group by 1"
        ),
        {"zone": day.settings.reporting_zone, "channels": list(day.settings.channels.messages_by)},
    )
    return dict(rows.tuples().all())


def _write_history(connection: sa.Connection, *, is_dry: bool) -> dict[str, WriteHistory]:
    """Return account -> its writes so far.

    An expired write never reached the CRM, so its values do not count. A write that dry run suppressed counts only
    while dry run is on.
    """
    rows = connection.execute(
        sa.text(
            "select entity_id, episode_no, state, body -> 'fields' as fields,"
            " state <> 'expired' and (state <> 'suppressed' or reason <> 'dry run' or :is_dry) as counts"
            " from ops.outbox where channel = :channel and entity_kind = :kind order by entity_id, episode_no"
        ),
        {"channel": CHANNEL, "kind": KIND, "is_dry": is_dry},
    )
    found: dict[str, WriteHistory] = defaultdict(WriteHistory)
    for row in rows:
        one = found[row.entity_id]
        one.number, one.state = row.episode_no, row.state
        one.values |= (row.fields or {}) if row.counts else {}
    return found
