"""Every defined KPI has a metric, and each metric has a value or names the entity it needs."""

from __future__ import annotations

import pytest

from include.metrics.explain import unavailable
from include.models import metrics
from include.warehouse.engine import engine
from tests.fixtures.landing import value

# Name of the KPI -> its metrics.
DEFINED = {
    "ARR, MRR": ("arr", "mrr", "kept_arr"),
    "ARR bridge and its movements": (
        "new_arr", "reactivation_arr", "expansion_arr", "contraction_arr", "churn_arr", "bucket_change_arr",
    ),
    "NRR": ("nrr", "returned_accounts"),
    "GRR": ("grr",),
    "renewals due": ("renewals_due", "renewals_due_arr"),
    "gross renewal rate": ("gross_renewal_rate",),
    "net renewal rate": ("net_renewal_rate",),
    "renewal rate by count": ("renewal_rate_by_count", "auto_renewal_rate_by_count"),
    "the five parts": ("on_time_rate", "in_grace_rate", "after_grace_rate", "lost_rate", "open_rate", "early_rate"),
    "the five parts by count": (
        "on_time_rate_by_count", "in_grace_rate_by_count", "after_grace_rate_by_count", "lost_rate_by_count",
        "open_rate_by_count",
    ),
    "frozen on-time rate": ("on_time_rate_frozen", "on_time_rate_frozen_by_count", "eventual_rate"),
    "renewal forecast": ("renewal_forecast", "committed_churn"),
    "forecast accuracy": ("forecast_accuracy_t90", "forecast_accuracy_t30"),
    "logo churn rate": ("logo_churn_rate",),
    "gross and net revenue churn": ("gross_revenue_churn", "net_revenue_churn"),
    "expansion rate": ("expansion_rate", "expanding_accounts_rate", "expansion_contracted_rate"),
    "quick ratio": ("quick_ratio",),
    "cohort retention": (
        "cohort_retention_m6", "cohort_retention_m12", "cohort_logo_retention_m6", "cohort_logo_retention_m12",
    ),
    "LTV": ("ltv",),
    "trial conversion": ("trial_conversion", "trials_started"),
    "discount depth": ("discount_depth",),
    "activity rate": ("activity_rate",),
    "active seats": ("active_seat_rate",),
    "licence utilisation": ("licence_utilisation",),
    "DAU, WAU, MAU; stickiness": ("dau", "wau", "mau", "stickiness"),
    "frequency, time online": ("active_days_per_user", "time_online"),
    "breadth": ("breadth",),
    "depth": ("depth",),
    "role and team coverage": ("role_coverage", "team_coverage"),
    "spread": ("new_teams", "team_coverage"),
    "usage against baseline": ("usage_vs_baseline",),
    "time to first value": ("time_to_first_value", "first_value_in_time"),
    "lifecycle mix": ("accounts_new", "accounts_returning", "accounts_resurrected", "accounts_dormant"),
    "first response time": ("first_response_minutes", "first_response_business_minutes", "unanswered_rate"),
    "first and full resolution time": ("first_resolution_minutes", "full_resolution_minutes"),
    "requester wait, agent wait": ("requester_wait_minutes", "agent_wait_minutes"),
    "backlog": ("backlog", "urgent_backlog", "backlog_high", "backlog_incidents", "backlog_longer"),
    "reopen rate": ("reopen_rate",),
    "SLA attainment": ("sla_attainment",),
    "urgent ageing": ("urgent_late",),
    "NPS": ("nps",),
    "CSAT": ("csat", "survey_csat"),
    "freshness": ("hours_behind",),
    "unmatched rate": ("unmatched_rate",),
    "quarantine rate": ("quarantine_rate",),
    "alert load": ("alerts_open", "alerts_new", "suppressed_rate"),
    "task timeliness": ("task_timeliness", "task_delay_days"),
}  # fmt: skip
# Metrics that need a year of history, a complete day since the first load, or facts missing in the small world.
YOUNG = {
    "cohort_retention_m12", "cohort_logo_retention_m12", "forecast_accuracy_t90", "time_online", "discount_depth",
    "first_response_minutes", "first_response_business_minutes", "first_resolution_minutes", "full_resolution_minutes",
    "requester_wait_minutes", "agent_wait_minutes", "paused_arr", "ltv", "quick_ratio", "sla_attainment", "csat",
    "trial_conversion", "trials_started",
    "hours_behind", "quarantine_rate", "alerts_new", "alerts_open", "suppressed_rate",
}  # fmt: skip


def test_every_defined_kpi_has_a_metric() -> None:
    known = set(metrics.load())
    for name, wanted in DEFINED.items():
        assert known >= set(wanted), f"{name}: {set(wanted) - known}"


def test_every_metric_has_a_value_or_states_its_needs(built: pytest.MonkeyPatch) -> None:
    silent = set()
    with engine("reader").connect() as connection:
        for metric in metrics.load().values():
            missing = unavailable(connection, metric)
            assert not missing or missing.startswith("not available: needs "), metric.id
            n = value(f"select count(*) from marts.kpi_value where metric_id = '{metric.id}' and value is not null")
            if not missing and not n:
                silent.add(metric.id)
    assert silent <= YOUNG, silent - YOUNG
