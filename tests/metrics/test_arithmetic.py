"""ARR metrics against a second calculation with pandas on the raw records, written from the definitions.

Nothing here was copied from the SQL. Every closed month is counted day by day.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from tests.fixtures.landing import rows
from tests.metrics.arithmetic_world import DAY, GRACE, MONTHS, TODAY, USE_FROM, Customer
from tests.metrics.second_calculation import assert_same

PARTS = ("on_time", "in_grace", "after_grace", "lost", "open")
# A stage named in the settings, another stage, and no deal.
PROBABILITY = {"contractsent": 0.9, "qualifiedtobuy": 0.5, "of our own": 0.7, None: 0.5}


def _groups(customers: list[Customer]) -> dict[tuple[str, str], list[Customer]]:
    tiers = {("tier", tier): [one for one in customers if one.tier == tier] for tier in ("small", "large")}
    return {("all", "all"): customers, **tiers}


def test_money(played: list[Customer]) -> None:
    for (grain, key), members in _groups(played).items():
        for end in MONTHS:
            year_ago = end.replace(year=end.year - 1)
            then = pd.Series({one.name: one.kept(year_ago) for one in members})
            now = pd.Series({one.name: one.kept(end) for one in members})
            cohort = then > 0
            away = {one.name: any(one.kept(day) == 0 for day in pd.date_range(year_ago, end).date) for one in members}
            arr = sum(one.arr(end) for one in members)
            expected = {
                "arr": arr,
                "mrr": arr / 12,
                "kept_arr": now.sum(),
                "paused_arr": sum(one.paused(end) for one in members) or None,
                "customers": (now > 0).sum(),
                "nrr": now[cohort].sum() / then[cohort].sum(),
                "grr": now[cohort].clip(upper=then[cohort]).sum() / then[cohort].sum(),
                "overage": sum(n for one in members for day, n in one.overage if end.replace(day=1) <= day <= end),
                "returned_accounts": (cohort & (now > 0) & pd.Series(away)).sum(),
            }
            assert_same(expected, end, grain, key)


def test_arr_bridge(played: list[Customer]) -> None:
    names = ("new_arr", "reactivation_arr", "expansion_arr", "contraction_arr", "churn_arr")
    for end in MONTHS:
        start = end.replace(day=1)
        moved = dict.fromkeys(names, 0)
        expanded_of_start = lost = n_expanded = 0
        base = sum(one.kept(start - DAY) for one in played)
        n_base = sum(one.kept(start - DAY) > 0 for one in played)
        for one in played:
            was_customer = any(term.counts_from < start for term in one.terms)
            before = one.kept(start - DAY)
            is_base, expanded_before = before > 0, expanded_of_start
            for day in pd.date_range(start, end).date:
                after = one.kept(day)
                if after > before:
                    kind = "expansion_arr" if before > 0 else "reactivation_arr" if was_customer else "new_arr"
                    moved[kind] += after - before
                    expanded_of_start += (after - before) if is_base and kind == "expansion_arr" else 0
                elif after < before:
                    moved["churn_arr" if after == 0 else "contraction_arr"] += before - after
                was_customer = was_customer or after > 0
                before = after
            lost += is_base and before == 0
            n_expanded += expanded_of_start > expanded_before
        fallen = moved["churn_arr"] + moved["contraction_arr"]
        risen = moved["new_arr"] + moved["expansion_arr"] + moved["reactivation_arr"]
        # ARR kept per customer, since churn is deducted from kept ARR.
        margin = 0.8 * sum(one.kept(end) for one in played) / 12 / sum(one.kept(end) > 0 for one in played)
        expected = {
            **moved,
            "logo_churn_rate": lost / n_base,
            "gross_revenue_churn": fallen / base,
            "expansion_rate": expanded_of_start / base,
            "quick_ratio": risen / fallen if fallen else None,
            "net_revenue_churn": (fallen - moved["expansion_arr"]) / base,
            "expanding_accounts_rate": n_expanded / n_base,
            "expansion_contracted_rate": 0.0,  # each year has its own deal
            "bucket_change_arr": sum(one.pending_or_paused(start - DAY) - one.pending_or_paused(end) for one in played),
            "fx_arr": 0.0,
            "ltv": round(margin, 2) / (fallen / base) if fallen else None,
        }
        assert_same(expected, end)


def _due(played: list[Customer], start: date, end: date) -> pd.DataFrame:
    """Return the renewals due: amounts, outcomes and the forecasts over time."""
    found = []
    for one in played:
        for term, following in one.pairs():
            if not start <= term.end <= end:
                continue
            late = (following.signed - term.end).days if following else None
            part = (
                ("lost" if term.end + GRACE <= TODAY else "open") if late is None
                else "on_time" if late <= 0 else "in_grace" if late <= 30 else "after_grace"
            )  # fmt: skip
            is_last = following is None
            renewed = min(following.arr, term.arr) if following else 0
            row = {
                "target": term.arr, "renewed": following.arr if following else None, "part": part, "late": late,
                "list": following.list_arr if following else None,
                "forecast": term.arr * PROBABILITY[one.stage if is_last else None] if part == "open" else renewed,
            }  # fmt: skip
            # Before the first build only dates are known, not the stages of deals settled since.
            for days in (90, 30):
                frozen_on = term.end - days * DAY
                is_known = part == "open" or (following is not None and following.signed <= frozen_on)
                forecast = row["forecast"] if is_known else term.arr * PROBABILITY[None]
                row[f"t{days}"] = forecast if frozen_on >= USE_FROM else None
            found.append(row)
    return pd.DataFrame(found).assign(late=lambda frame: pd.to_numeric(frame.late))


def _accuracy(forecast: pd.Series, renewed: pd.Series) -> float | None:
    actual = renewed[forecast.notna()]
    return 1 - abs(forecast.sum() - actual.sum()) / actual.sum() if actual.sum() else None


@pytest.mark.parametrize("end", MONTHS, ids=str)
def test_renewals(played: list[Customer], end: date) -> None:
    frame = _due(played, end.replace(day=1), end)
    renewed, total = frame.renewed.fillna(0), frame.target.sum()
    capped = renewed.clip(upper=frame.target)
    listed = frame[frame.list.notna() & frame.renewed.notna()]
    parts = {part: frame.target[frame.part == part].sum() / total for part in PARTS}
    assert sum(parts.values()) == pytest.approx(1)
    expected = {
        "gross_renewal_rate": capped.sum() / total,
        "net_renewal_rate": renewed.sum() / total,
        "renewal_rate_by_count": frame.renewed.notna().mean(),
        "renewals_due": len(frame),
        "renewals_due_arr": total,
        "early_rate": frame.target[frame.late < -30].sum() / total,
        "renewal_days_late": frame.late.median() if frame.late.notna().any() else None,
        "auto_renewal_rate_by_count": 0.0,
        **{f"{part}_rate": share for part, share in parts.items()},
        **{f"{part}_rate_by_count": (frame.part == part).mean() for part in PARTS},
        "eventual_rate": parts["on_time"] + parts["in_grace"] + parts["after_grace"],
        # Every on-time signature was known when the month closed.
        "on_time_rate_frozen": parts["on_time"],
        "on_time_rate_frozen_by_count": (frame.part == "on_time").mean(),
        "renewal_forecast": frame.forecast.sum(),
        "committed_churn": 0.0,
        "forecast_accuracy_t90": _accuracy(frame.t90, capped),
        "forecast_accuracy_t30": _accuracy(frame.t30, capped),
        "discount_depth": 1 - listed.renewed.sum() / listed.list.sum() if len(listed) else None,
    }
    assert_same(expected, end)


def test_cohorts(played: list[Customer]) -> None:
    bought = [one for one in played if one.first_day]
    for as_of, cohort, k, n_0, n_kept, arr_0, arr in rows(
        "select as_of, cohort_month, month_k, n_0, n_kept, kept_arr_0, kept_arr from marts.cohort_period"
        " where grain = 'all'"
    ):
        members = [one for one in bought if one.first_day and one.first_day.replace(day=1) == cohort]
        month_end = (cohort.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        assert k == (as_of.year - cohort.year) * 12 + as_of.month - cohort.month
        assert (n_0, n_kept) == tuple(sum(one.kept(day) > 0 for one in members) for day in (month_end, as_of))
        assert (arr_0, arr) == tuple(Decimal(sum(one.kept(day) for one in members)) for day in (month_end, as_of))
        assert k > 0 or (n_0, arr_0) == (n_kept, arr)
    for k in (6, 12):
        for end in MONTHS:
            month = pd.Period(end, "M") - k
            members = [one for one in bought if pd.Period(one.first_day, "M") == month]
            names = f"cohort_retention_m{k}", f"cohort_logo_retention_m{k}"
            if not members:
                assert_same(dict.fromkeys(names), end)
                continue
            then = [one.kept(month.end_time.date()) for one in members]
            now = [one.kept(end) for one in members]
            by_count = sum(x > 0 for x in now) / sum(x > 0 for x in then)
            assert_same(dict(zip(names, (sum(now) / sum(then), by_count), strict=True)), end)


def test_metric_invariants(played: list[Customer]) -> None:
    broken = {
        "the bridge closes": "select 1 from marts.retention_period where arr_start + new_arr + reactivation_arr"
        " + expansion_arr - contraction_arr - churn_arr + bucket_change_arr <> arr_end",
        "GRR is at most 1": "select 1 from marts.kpi_value where metric_id = 'grr' and value > 1",
        "GRR is at most NRR": "select 1 from marts.kpi_value as g join marts.kpi_value as n"
        " using (period, as_of, grain, grain_key)"
        " where g.metric_id = 'grr' and n.metric_id = 'nrr' and g.value > n.value + 1e-9",
        "five parts make 1": "select 1 from marts.kpi_value where metric_id in ('on_time_rate', 'in_grace_rate',"
        " 'after_grace_rate', 'lost_rate', 'open_rate') group by period, as_of, grain, grain_key"
        " having abs(sum(value) - 1) > 1e-9",
        "groups make all": "select 1 from marts.kpi_value where metric_id in ('arr', 'customers', 'churn_arr', 'mau')"
        " and period <> 'day' group by metric_id, period, as_of"
        " having sum(case when grain = 'all' then value end) <> sum(case when grain = 'tier' then value end)",
        "weeks and quarters only when over": "select 1 from marts.kpi_value"
        " where period <> 'day' and as_of >= '2026-06-10'",
        "accounts make all": "select 1 from marts.account_month as a join marts.kpi_value as k on k.as_of = a.as_of"
        " and k.period = 'month' and k.grain = 'all' and k.metric_id = 'arr' group by a.as_of, k.value"
        " having sum(a.arr_end) <> k.value",
        "an interval holds its value": "select 1 from marts.kpi_value"
        " where not (value between low - 1e-9 and high + 1e-9)",
    }
    for name, query in broken.items():
        assert rows(query) == [], name
