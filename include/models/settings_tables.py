"""Pass settings to the models: as small tables, compared row by row, and as query parameters."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from include import config
from include.common.errors import ConfigError
from include.identity import store
from include.models import health, tables, unread
from include.models.unread import Change

# First and last day of the calendar.
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2100, 12, 31)
# Settings table -> the accounts that its rows can alter, by the values of the first column. Other tables alter all
# accounts. A query may select too many accounts at little cost, but never too few.
_REACH = {
    "exclusion": "select unnest(cast(:keys as text[])) as account_key",
    "account_brand": "select unnest(cast(:keys as text[])) as account_key",
    "plan_rate": (
        "select distinct o.account_key from staging.stg_crm__contract_line as l"
        " join core.opportunity as o on o.opportunity_key = l.source || ':' || l.opportunity_id"
        " where coalesce(l.currency, :currency) = any(:keys)"
    ),
    "grace_days": (
        "select account_key from core.account"
        " where tier = any(:keys) or 'default' = any(:keys) and (tier is null or tier <> all(:kept))"
    ),
}
_READ_FOR_REACH = ("staging.stg_crm__contract_line", "core.opportunity", "core.account")
_SHOWN = 3

Rows = list[dict[str, Any]]


def sync(connection: sa.Connection) -> list[Change]:
    """Update the settings tables where rows differ.

    Returns:
        The changes that these rows cause. The build planned in this transaction must carry them.
    """
    changes: list[Change] = []
    for table, wanted in _tables(config.load()).items():
        stored: Rows = [dict(row) for row in connection.execute(sa.text(f"select * from meta.{table}")).mappings()]  # noqa: S608
        if differing := [row for row in stored if row not in wanted] + [row for row in wanted if row not in stored]:
            unread.fill(connection, table, wanted)
            changes += _changes(connection, table, differing, [row for row in stored if row in wanted])
    if store.sync_domains(connection):
        changes.append(Change("meta.shared_domain", None, "setting shared_domains changed"))
    return changes


def parameters() -> dict[str, object]:
    """Return the settings that queries read as parameters."""
    settings = config.load()
    return {
        "zone": settings.reporting_zone,
        "currency": settings.currency,
        "early_days": settings.renewals.early_days,
        "renewal_pipelines": sorted({name.lower() for name in settings.renewals.renewal_pipelines}),
        "free_months": settings.renewals.free_months,
        "contract_ways": list(settings.renewals.contract_ways),
        "horizon_days": settings.renewals.horizon_days,
        "behind_days": settings.renewals.behind_days,
        "gross_margin": settings.kpis.gross_margin,
        "pause_days": settings.kpis.pause_days,
        "first_value_days": settings.kpis.first_value_days,
        "auto_renew_probability": settings.kpis.forecast.auto_renew,
        "competitors": sorted({name.lower() for name in settings.competitors}),
        "ticket_cost": settings.value.ticket_cost,
        "touch_cost": settings.value.touch_cost,
    }


def _changes(connection: sa.Connection, table: str, differing: Rows, kept: Rows) -> list[Change]:
    """Return a change for each account that the rows can alter, or one for all accounts."""
    name = next(iter(differing[0]))
    keys = sorted({str(row[name]) for row in differing})
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    reason = f"setting {table} changed: {', '.join(keys[:_SHOWN])}{more}"
    origin, from_day = f"meta.{table}", min((row["from_day"] for row in differing if "from_day" in row), default=None)
    if table not in _REACH or tables.missing(connection, _READ_FOR_REACH):
        return [Change(origin, from_day, reason)]
    bound = {"keys": keys, "kept": [row[name] for row in kept], "currency": config.load().currency}
    found = connection.execute(sa.text(_REACH[table]), bound).scalars()
    return [Change(origin, from_day, reason, account) for account in found if account]


def _tables(settings: config.Settings) -> dict[str, Rows]:
    value, key = set(settings.usage.value_events), set(settings.usage.key_features)
    return {
        "feature": [
            {"feature": name, "is_value_event": name in value, "is_key_feature": name in key}
            for name in sorted(value | key)
        ],
        "scored_feature": [{"feature": name} for name in _scored(key)],
        "grace_days": [{"tier": tier.lower(), "days": days} for tier, days in sorted(settings.grace_days.items())],
        "exclusion": [
            {"account_key": one.account, "reason": one.reason, "owner": one.owner, "until": one.until}
            for one in settings.exclusions
        ],
        "source": [{"source": one.id, "kind": "billing" if one.is_billing else one.kind} for one in settings.sources],
        "plan_rate": _plan_rates(settings),
        "urgent_limit": [
            {"tier": tier.lower(), "hours": hours} for tier, hours in sorted(settings.kpis.urgent_limit_hours.items())
        ],
        "sla_target": [
            {"priority": priority.lower(), **dict(target)} for priority, target in sorted(settings.kpis.sla.items())
        ],
        "closed_day": [{"day": day} for day in sorted(set(settings.kpis.closed_days))],
        "forecast_category": _forecast(settings),
        "lead_standard": _standards(settings),
        "tier_policy": [
            {"tier": tier, "cadence_days": policy.cadence_days, "services_cost": policy.services_cost}
            for tier, policy in sorted(settings.tiers.policies.items())
        ],
        "account_brand": [
            {"account_key": account, "brand": brand} for account, brand in sorted(settings.value.brands.items())
        ],
    }


def _scored(key_features: Collection[str]) -> list[str]:
    """Return the features whose use the health score measures.

    Raises:
        ConfigError: One of them is not a key feature. Its use would be 0 for all accounts.
    """
    named = health.load().features
    if unknown := sorted(named.keys() - {name.lower() for name in key_features}):
        raise ConfigError(
            f"{named[unknown[0]]}: {unknown[0]} is not a key feature",
            cure="correct its name, or add it to key_features in usage.yaml",
        )
    return sorted(named)


def _plan_rates(settings: config.Settings) -> Rows:
    """Return each currency's rates by fiscal year. The last rate applies to all later days."""
    rows: Rows = [{"currency": settings.currency, "from_day": FIRST_DAY, "to_day": LAST_DAY, "rate": Decimal(1)}]
    month = settings.kpis.fiscal_year_start_month
    for currency, rates in sorted(settings.kpis.plan_rates.items()):
        if currency == settings.currency:
            continue
        # A fiscal year is named after the calendar year in which it ends.
        starts = {date(year - (month > 1), month, 1): rate for year, rate in sorted(rates.items())}
        days = [*starts, LAST_DAY]
        rows += [
            {"currency": currency, "from_day": start, "to_day": end, "rate": _exact(starts[start])}
            for start, end in pairwise(days)
        ]
    return rows


def _forecast(settings: config.Settings) -> Rows:
    forecast = settings.kpis.forecast
    rows = [
        {"stage": "", "category": "no_deal", "probability": _exact(forecast.no_deal)},
        {"stage": "*", "category": "open_deal", "probability": _exact(forecast.open_deal)},
    ]
    rows += [
        {"stage": stage.lower(), "category": each.category, "probability": _exact(each.probability)}
        for each in forecast.categories
        for stage in each.stages
    ]
    return rows


def _standards(settings: config.Settings) -> Rows:
    standards = settings.funnel.standards
    days = [FIRST_DAY, *(one.valid_from for one in standards[1:]), LAST_DAY]
    return [
        {"version": one.version, "from_day": start, "to_day": end, "stage_no": one.stage_no}
        for one, (start, end) in zip(standards, pairwise(days), strict=True)
    ]


def _exact(number: float) -> Decimal:
    """Return a number exactly as written in the settings, which is how the table returns it."""
    return Decimal(str(number))
