"""The figures against a second calculation: plain Python and pandas on the raw records, written from the definitions.

Nothing here was copied from the SQL. Forty made-up customers buy, renew early, on time, late or not at all, expand and
shrink, and use the product; then every closed month is counted day by day.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from include.warehouse import build, loader
from tests.warehouse import small_world as world
from tests.warehouse.databases import database
from tests.warehouse.landing import rows

TODAY = date(2026, 6, 10)
GRACE = timedelta(days=30)
DAY = timedelta(days=1)
MONTHS = [date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]
PARTS = ("on_time", "in_grace", "after_grace", "lost", "open")
_numbers = itertools.count(1)


@dataclass
class Term:
    """One year of a contract: what it is worth, from when to when, and when it was signed."""

    arr: int
    start: date
    end: date
    signed: date

    @property
    def counts_from(self) -> date:
        return max(self.start, self.signed)


@dataclass
class Customer:
    """One customer's terms and days of use."""

    name: str
    tier: str
    terms: list[Term]
    use: set[date] = field(default_factory=set)

    def arr(self, day: date) -> int:
        return sum(term.arr for term in self.terms if term.counts_from <= day < term.end)

    def pending(self, day: date) -> int:
        """What has ended and is still waited for: until it was signed within the grace, or while the grace runs."""
        waiting = 0
        for term, following in itertools.zip_longest(self.terms, self.terms[1:]):
            signed = following.counts_from if following else None
            if signed and signed > term.end + GRACE:
                signed = None  # it came too late, and the loss is dated back
                if day >= term.end:
                    continue
            if signed is None and following is None and term.end + GRACE <= TODAY:
                continue
            until = signed or term.end + GRACE
            if term.end <= day < until:
                waiting += term.arr
        return waiting

    def kept(self, day: date) -> int:
        return self.arr(day) + self.pending(day)


def _customers(seed: int) -> list[Customer]:
    draw = random.Random(seed)
    found = []
    for number in range(40):
        start = date(2024, 4, 1) + timedelta(days=draw.randrange(700))
        terms = [Term(draw.randrange(12, 240) * 100, start, _year_after(start), start)]
        while terms[-1].end < TODAY:
            last = terms[-1]
            what = draw.choice(["early", "on time", "late", "very late", "never", "on time"])
            signed = last.end + timedelta(
                days={"early": -50, "on time": -3, "late": draw.randrange(1, 30), "very late": 45, "never": 0}[what]
            )
            if what == "never" or signed > TODAY:
                break
            factor = draw.choice([50, 100, 100, 120])
            terms.append(Term(last.arr * factor // 100, last.end, _year_after(last.end), signed))
        one = Customer(f"{number + 10}", draw.choice(["small", "large"]), terms)
        if number % 4:
            one.use = {date(2026, 3, 1) + timedelta(days=draw.randrange(100)) for _ in range(draw.randrange(0, 25))}
        found.append(one)
    return found


def _year_after(day: date) -> date:
    return day.replace(year=day.year + 1) if (day.month, day.day) != (2, 29) else date(day.year + 1, 2, 28)


def _load(customers: list[Customer]) -> None:
    loader.ensure_raw_tables()
    world.load("owner", world.owner("7"))
    world.load("account", *(world.account(one.name, tier=one.tier) for one in customers))
    deals, lines, use = [], [], []
    for one in customers:
        for number, term in enumerate(one.terms):
            kind = "renewal" if number else "new"
            deals.append(world.deal(f"d{one.name}-{number}", one.name, close_date=term.signed, opportunity_type=kind))
            made = world.line(f"l{one.name}-{number}", f"d{one.name}-{number}", term.arr, term.start, term.end)
            lines.append(made)
        use += [world.usage(one.name, f"u{one.name}", day, 3) for day in sorted(one.use)]
    world.load("opportunity", *deals)
    world.load("contract_line", *lines)
    known = [one for one in customers if int(one.name) % 4 != 2]
    world.load("product_account", *(world.product_account(f"p{one.name}", one.name) for one in known))
    # One row of somebody else's marks the day since which use is known.
    world.load("usage_day", *use, world.usage("stranger", "x", date(2026, 3, 1), 1))
    world.heard_of_all_sources()


@pytest.fixture(scope="module", params=[1])
def played(request: pytest.FixtureRequest, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """The customers of a seed, loaded and built."""
    customers = _customers(request.param)
    with (
        database(postgres, f"arithmetic_{next(_numbers)}", "template") as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        world.use_short_history(patch, tmp_path_factory.mktemp("arithmetic"))
        patch.setenv("PERENNIAL_DATABASE_URL", url)
        patch.setenv("PERENNIAL_NOW", world.FIRST)
        _load(customers)
        assert isinstance(build.run("first"), build.Finished)
        yield customers


def _stored(metric: str, period: str = "month", grain: str = "all") -> dict[tuple[date, str], tuple]:
    found = rows(
        "select as_of, grain_key, value, numerator, denominator, n from marts.kpi_value"
        f" where metric_id = '{metric}' and period = '{period}' and grain = '{grain}'"
    )
    return {(row[0], row[1]): row[2:] for row in found}


def _groups(customers: list[Customer]) -> dict[tuple[str, str], list[Customer]]:
    tiers = {("tier", tier): [one for one in customers if one.tier == tier] for tier in ("small", "large")}
    return {("all", "all"): customers, **tiers}


def _same(stored: object, expected: float | None) -> bool:
    if expected is None or stored is None:
        return stored is None and expected is None
    return float(stored) == pytest.approx(expected, abs=1e-6)  # type: ignore[arg-type]


def test_money(played: list[Customer]) -> None:
    for (grain, key), members in _groups(played).items():
        stored = {name: _stored(name, grain=grain) for name in ("arr", "kept_arr", "customers", "nrr", "grr")}
        for end in MONTHS:
            year_ago = end.replace(year=end.year - 1)
            then = pd.Series({one.name: one.kept(year_ago) for one in members})
            now = pd.Series({one.name: one.kept(end) for one in members})
            cohort = then > 0
            expected = {
                "arr": sum(one.arr(end) for one in members),
                "kept_arr": int(now.sum()),
                "customers": int((now > 0).sum()),
                "nrr": now[cohort].sum() / then[cohort].sum(),
                "grr": now[cohort].clip(upper=then[cohort]).sum() / then[cohort].sum(),
            }
            for name, value in expected.items():
                assert _same(stored[name][end, key][0], value), (name, grain, key, end)


def test_the_bridge(played: list[Customer]) -> None:
    names = ("new_arr", "reactivation_arr", "expansion_arr", "contraction_arr", "churn_arr")
    stored = {name: _stored(name) for name in names}
    rates = {
        name: _stored(name)
        for name in (
            "logo_churn_rate", "gross_revenue_churn", "net_revenue_churn", "expansion_rate", "quick_ratio",
            "expanding_accounts_rate", "expansion_contracted_rate", "bucket_change_arr", "fx_arr",
        )
    }  # fmt: skip
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
        for name in names:
            assert _same(stored[name][end, "all"][0], moved[name]), (name, end)
        fallen = moved["churn_arr"] + moved["contraction_arr"]
        risen = moved["new_arr"] + moved["expansion_arr"] + moved["reactivation_arr"]
        expected = {
            "logo_churn_rate": lost / n_base,
            "gross_revenue_churn": fallen / base,
            "expansion_rate": expanded_of_start / base,
            "quick_ratio": risen / fallen if fallen else None,
            "net_revenue_churn": (fallen - moved["expansion_arr"]) / base,
            "expanding_accounts_rate": n_expanded / n_base,
            "expansion_contracted_rate": 0.0,  # each year is a deal of its own
            "bucket_change_arr": sum(one.pending(start - DAY) - one.pending(end) for one in played),
            "fx_arr": 0.0,
        }
        for name, value in expected.items():
            assert _same(rates[name][end, "all"][0], value), (name, end)


def test_renewals(played: list[Customer]) -> None:
    names = ("gross_renewal_rate", "net_renewal_rate", "on_time_rate", "in_grace_rate", "after_grace_rate", "lost_rate",
             "open_rate", "renewal_rate_by_count", "renewals_due", "renewals_due_arr", "early_rate",
             "renewal_days_late", "auto_renewal_rate_by_count",
             *(f"{part}_rate_by_count" for part in PARTS))  # fmt: skip
    stored = {name: _stored(name) for name in names}
    for end in MONTHS:
        start = end.replace(day=1)
        due = []
        for one in played:
            for term, following in itertools.zip_longest(one.terms, one.terms[1:]):
                if start <= term.end <= end:
                    late = (following.signed - term.end).days if following else None
                    part = (
                        ("lost" if term.end + GRACE <= TODAY else "open") if late is None
                        else "on_time" if late <= 0 else "in_grace" if late <= 30 else "after_grace"
                    )  # fmt: skip
                    due.append(
                        {
                            "target": term.arr, "renewed": following.arr if following else None, "part": part,
                            "late": late,
                        }
                    )  # fmt: skip
        if not due:
            continue
        frame = pd.DataFrame(due)
        frame["late"] = pd.to_numeric(frame["late"])
        renewed = frame.renewed.fillna(0)
        total = frame.target.sum()
        expected = {
            "gross_renewal_rate": renewed.clip(upper=frame.target).sum() / total,
            "net_renewal_rate": renewed.sum() / total,
            "renewal_rate_by_count": frame.renewed.notna().mean(),
            "renewals_due": len(frame),
            "renewals_due_arr": total,
            "early_rate": frame.target[frame.late < -30].sum() / total,
            "renewal_days_late": frame.late.median() if frame.late.notna().any() else None,
            "auto_renewal_rate_by_count": 0.0,
            **{f"{part}_rate": frame.target[frame.part == part].sum() / total for part in PARTS},
            **{f"{part}_rate_by_count": (frame.part == part).mean() for part in PARTS},
        }
        assert sum(expected[f"{part}_rate"] for part in PARTS) == pytest.approx(1)
        for name, value in expected.items():
            assert _same(stored[name][end, "all"][0], value), (name, end)


def test_use(played: list[Customer]) -> None:
    stored = {
        name: _stored(name) for name in ("activity_rate", "mau", "dau", "accounts_dormant", "active_days_per_user")
    }
    for end in MONTHS:
        window = set(pd.date_range(end - 27 * DAY, end).date)
        paying = [one for one in played if one.arr(end) > 0]
        known = [one for one in paying if int(one.name) % 4 != 2]
        active = [one for one in known if one.use & window]
        days = sum(len(one.use & window) for one in known)
        workdays = sum(len([day for day in one.use & window if day.weekday() < 5]) for one in known)
        expected = {
            "activity_rate": len(active) / len(known),
            "mau": len(active),
            "dau": workdays / 20,
            "accounts_dormant": sum(bool([d for d in one.use if d <= end]) and one not in active for one in known),
            "active_days_per_user": days / len(active) if active else None,
        }
        for name, value in expected.items():
            assert _same(stored[name][end, "all"][0], value), (name, end)
        assert stored["activity_rate"][end, "all"][3] == len(known)


def test_cohorts(played: list[Customer]) -> None:
    for as_of, cohort, k, n_0, n_kept, arr_0, arr in rows(
        "select as_of, cohort_month, month_k, n_0, n_kept, kept_arr_0, kept_arr from marts.cohort_period"
        " where grain = 'all'"
    ):
        members = [one for one in played if one.terms[0].counts_from.replace(day=1) == cohort]
        month_end = (cohort.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        assert k == (as_of.year - cohort.year) * 12 + as_of.month - cohort.month
        assert (n_0, n_kept) == tuple(sum(one.kept(day) > 0 for one in members) for day in (month_end, as_of))
        assert (arr_0, arr) == tuple(Decimal(sum(one.kept(day) for one in members)) for day in (month_end, as_of))
        assert k > 0 or (n_0, arr_0) == (n_kept, arr)
    for k in (6, 12):
        by_arr, by_count = _stored(f"cohort_retention_m{k}"), _stored(f"cohort_logo_retention_m{k}")
        for end in MONTHS:
            began = (pd.Period(end, "M") - k).to_timestamp().date()
            members = [one for one in played if one.terms[0].counts_from.replace(day=1) == began]
            month_end = (pd.Period(end, "M") - k).end_time.date()
            if not members:
                assert (end, "all") not in by_arr
                continue
            then = [one.kept(month_end) for one in members]
            now = [one.kept(end) for one in members]
            assert _same(by_arr[end, "all"][0], sum(now) / sum(then)), (k, end)
            assert _same(by_count[end, "all"][0], sum(x > 0 for x in now) / sum(x > 0 for x in then)), (k, end)


def test_what_must_always_hold(played: list[Customer]) -> None:
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
