"""Settings that models read: as small tables, and as parameters of their queries."""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import pairwise

import orjson
import sqlalchemy as sa

from include import config
from include.identity import store
from include.models import registry, unread

# Where calendars begin and end.
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2100, 12, 31)


def sync(connection: sa.Connection) -> None:
    """Bring the settings that models read (``meta.feature``, ``grace_days``, ``exclusion``, ``source``) up to date."""
    for table, rows in _tables(config.load()).items():
        unread.fill(connection, table, rows)
    store.sync_domains(connection)


def parameters() -> dict[str, object]:
    """Return the settings that queries read as parameters."""
    settings = config.load()
    return {
        "zone": settings.reporting_zone,
        "currency": settings.currency,
        "early_days": settings.renewals.early_days,
        "renewal_pipelines": sorted({name.lower() for name in settings.renewals.renewal_pipelines}),
        "free_months": settings.renewals.free_months,
        "horizon_days": settings.renewals.horizon_days,
        "behind_days": settings.renewals.behind_days,
        "gross_margin": settings.kpis.gross_margin,
        "pause_days": settings.kpis.pause_days,
        "first_value_days": settings.kpis.first_value_days,
        "competitors": sorted({name.lower() for name in settings.competitors}),
    }


def _tables(settings: config.Settings) -> dict[str, list[dict[str, object]]]:
    value, key = set(settings.usage.value_events), set(settings.usage.key_features)
    grace = {"default": 30, **settings.grace_days}
    return {
        "feature": [
            {"feature": name, "is_value_event": name in value, "is_key_feature": name in key}
            for name in sorted(value | key)
        ],
        "grace_days": [{"tier": tier.lower(), "days": days} for tier, days in sorted(grace.items())],
        "exclusion": [
            {"account_key": one.account, "reason": one.reason, "owner": one.owner, "until": one.until}
            for one in settings.exclusions
        ],
        "source": [{"source": one.id, "kind": one.kind} for one in settings.sources],
        "plan_rate": _plan_rates(settings),
        "urgent_limit": [
            {"tier": tier.lower(), "hours": hours}
            for tier, hours in sorted({"default": 24, **settings.kpis.urgent_limit_hours}.items())
        ],
        "sla_target": [
            {"priority": priority.lower(), **dict(promise)} for priority, promise in sorted(settings.kpis.sla.items())
        ],
        "forecast_category": _forecast(settings),
    }


def _plan_rates(settings: config.Settings) -> list[dict[str, object]]:
    """Return each currency's rates with the days on which they hold: its fiscal years', the last one for good."""
    rows: list[dict[str, object]] = [
        {"currency": settings.currency, "from_day": FIRST_DAY, "to_day": LAST_DAY, "rate": 1.0}
    ]
    month = settings.kpis.fiscal_year_start_month
    for currency, rates in sorted(settings.kpis.plan_rates.items()):
        if currency == settings.currency:
            continue
        # A fiscal year is called after the calendar year in which it ends.
        starts = {date(year - (month > 1), month, 1): rate for year, rate in sorted(rates.items())}
        days = [*starts, LAST_DAY]
        rows += [
            {"currency": currency, "from_day": start, "to_day": end, "rate": starts[start]}
            for start, end in pairwise(days)
        ]
    return rows


def _forecast(settings: config.Settings) -> list[dict[str, object]]:
    forecast = settings.kpis.forecast
    rows = [
        {"stage": "", "category": "no_deal", "probability": forecast.no_deal},
        {"stage": "*", "category": "open_deal", "probability": forecast.open_deal},
    ]
    rows += [
        {"stage": stage.lower(), "category": each.category, "probability": each.probability}
        for each in forecast.categories
        for stage in each.stages
    ]
    return rows


def config_hash() -> str:
    """Return a short hash of the queries and of the settings that they read; no other setting alters a table."""
    queries = [(name, model.query, model.metadata.daily_days) for name, model in sorted(registry.load().items())]
    content = [_tables(config.load()), parameters(), queries, sorted(config.load().identity.shared_domains)]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]


def is_config_changed(connection: sa.Connection) -> bool:
    """Return whether a table may have been made under other settings or queries than those in force.

    A build that never ended counts too: settings that were put back meanwhile are in the tables that it wrote.
    """
    used = connection.execute(
        sa.text(
            "select distinct config_hash from meta.build where started_at >="
            " (select max(started_at) from meta.build where kind = 'forward' and state = 'done')"
        )
    ).scalars()
    return set(used) != {config_hash()}
