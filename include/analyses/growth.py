"""Read the funnel, the channels, the paths to activation, referrals and campaigns from the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from include.analyses import channels, funnel
from include.analyses.channels import Channel
from include.analyses.funnel import Duration, Edge
from include.config import Settings
from include.config.funnel import Campaign
from include.warehouse.engine import has_table

# By which channel of a prospect, or by its campaign.
Attribution = Literal["first", "last", "campaign"]
# What a part needs. A part whose records nobody has is named, not shown as zero.
Need = Literal["leads", "usage_day", "channel_cost", "referrals", "campaigns"]
NEEDS: tuple[Need, ...] = ("leads", "usage_day", "channel_cost", "referrals", "campaigns")
TABLE = "marts.channel_cohort"
# Leads of a campaign's last day have this many days to become customers.
SETTLED = timedelta(days=180)
_PATHS = 10


@dataclass(frozen=True)
class Path:
    """A way to the first value event.

    Args:
        path: Features in order.
        n: Accounts that went it.
        median_days: Median of their days to it.
    """

    path: str
    n: int
    share: float
    median_days: float


@dataclass(frozen=True)
class ReadOut:
    """A campaign: what a person wrote, and what Perennial counted.

    Args:
        counted: Its leads and customers; None if the CRM has no lead of it.
        is_settled: Whether its last leads had their days.
    """

    campaign: Campaign
    counted: Channel | None
    is_settled: bool

    @property
    def is_due(self) -> bool:
        """Whether a person should fill in what is missing."""
        return self.is_settled and bool(self.campaign.missing)

    @property
    def reached_goal(self) -> bool | None:
        """Whether it won as many customers as wanted; None while that is not known."""
        if not self.is_settled or self.counted is None or self.campaign.wanted is None:
            return None
        return self.counted.n_won >= self.campaign.wanted


@dataclass(frozen=True)
class Growth:
    """The whole answer.

    Args:
        missing: Needs that no record fills; their parts are not available.
        edges: The ways of the funnel.
        bottleneck: The way that loses most ARR against its target.
        first: Channels by first touch.
        last: Channels by last touch. Never added to the first.
        paths: Most frequent ways to the first value event.
        campaigns: Newest first.
    """

    missing: tuple[Need, ...]
    edges: Sequence[Edge]
    bottleneck: Edge | None
    first: Sequence[Channel]
    last: Sequence[Channel]
    paths: Sequence[Path]
    campaigns: Sequence[ReadOut]


def read(connection: sa.Connection, settings: Settings, today: date) -> Growth:
    """Return the funnel and all that belongs to it, over all customers. Before the first build, all parts are empty."""
    ways = edges(connection, settings, today)
    return Growth(
        missing(connection),
        ways,
        funnel.bottleneck(ways),
        by_attribution(connection, settings, today, "first"),
        by_attribution(connection, settings, today, "last"),
        paths(connection),
        campaigns(connection, settings, today),
    )


def missing(connection: sa.Connection) -> tuple[Need, ...]:
    """Return the needs that no record fills."""
    if not has_table(connection, TABLE):
        return NEEDS
    found = connection.execute(_FOUND).mappings().one()
    return tuple(name for name in NEEDS if not found[name])


def edges(connection: sa.Connection, settings: Settings, today: date) -> list[Edge]:
    """Return the ways of the funnel over their twelve newest mature months."""
    if not has_table(connection, TABLE):
        return []
    cohorts = [dict(row) for row in connection.execute(_COHORTS).mappings()]
    arr = connection.execute(_ARR_PER_CUSTOMER, {"today": today}).scalar()
    spans = durations(connection, today)
    return funnel.edges(cohorts, spans, settings.funnel.targets, None if arr is None else float(arr))


def durations(connection: sa.Connection, today: date) -> dict[tuple[str, str], list[Duration]]:
    """Return the durations of each way: until the next stage, or until today."""
    found: dict[tuple[str, str], list[Duration]] = {}
    for stage, next_stage, *duration in connection.execute(_DURATIONS, {"today": today}):
        found.setdefault((stage, next_stage), []).append(Duration(*duration))
    return found


def by_attribution(
    connection: sa.Connection, settings: Settings, upto: date, attribution: Attribution
) -> list[Channel]:
    """Return the channels of an attribution over the twelve newest months that were mature on a day."""
    months = channels.months_upto(_months(connection, attribution, upto), upto)
    return channels.read_out(months, settings.funnel.unlikely)


def never_converting(connection: sa.Connection, settings: Settings, upto: date) -> list[Channel]:
    """Return the channels that run but never convert, as of a day."""
    return [one for one in by_attribution(connection, settings, upto, "first") if one.never_converts]


def paths(connection: sa.Connection) -> list[Path]:
    """Return the most frequent ways to the first value event."""
    if not has_table(connection, TABLE):
        return []
    rows = connection.execute(_PATHS_TAKEN, {"most": _PATHS}).mappings()
    return [Path(row["path"], row["n"], float(row["share"]), float(row["median_days"])) for row in rows]


def campaigns(connection: sa.Connection, settings: Settings, today: date) -> list[ReadOut]:
    """Return the campaigns of campaigns.yaml with what was counted, newest first."""
    rows = _months(connection, "campaign", today)
    counted = {one.name: one for one in channels.read_out(rows, settings.funnel.unlikely)}
    found = [ReadOut(one, counted.get(one.key), is_settled(one, rows, today)) for one in settings.campaigns.campaigns]
    return sorted(found, key=lambda one: one.campaign.ends_on, reverse=True)


def is_settled(campaign: Campaign, rows: Sequence[dict[str, Any]], today: date) -> bool:
    """Return whether all leads up to a campaign's end had their days. Leads of a young month are not counted yet."""
    months = [row for row in rows if row["channel"] == campaign.key and row["month"] <= campaign.ends_on]
    return campaign.ends_on + SETTLED < today and all(row["is_over"] for row in months)


def steps(connection: sa.Connection, account_key: str) -> list[dict[str, Any]]:
    """Return an account's stages in order of their days, with their evidence."""
    if not has_table(connection, "core.stage_step"):
        return []
    return [dict(row) for row in connection.execute(_STEPS, {"account": account_key}).mappings()]


def referrers(connection: sa.Connection, chosen: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return accounts that referred others: how many met the standard, and how many became customers.

    Args:
        chosen: Only these accounts; None for all.
    """
    if not has_table(connection, "core.referral"):
        return []
    bound = {"accounts": list(chosen) if chosen is not None else None}
    return [dict(row) for row in connection.execute(_REFERRERS, bound).mappings()]


def _months(connection: sa.Connection, attribution: Attribution, day: date) -> list[dict[str, Any]]:
    if not has_table(connection, TABLE):
        return []
    bound = {"attribution": attribution, "settled": day - SETTLED}
    return [dict(row) for row in connection.execute(_CHANNELS, bound).mappings()]


_FOUND = sa.text("""
select
    exists (select from core.prospect) as leads,
    exists (select from core.product_start) as usage_day,
    exists (select from staging.stg_product__channel_cost where not is_deleted) as channel_cost,
    exists (select from core.prospect where referrer_key is not null) as referrals,
    exists (select from core.prospect where campaign is not null) as campaigns
""")
_COHORTS = sa.text("""
select cohort_month, stage, next_stage, box_days, n_entered, n_reached
from marts.funnel_cohort
order by cohort_month, stage, next_stage
""")
# What lies after today has not happened yet.
_DURATIONS = sa.text("""
select stage, next_stage, greatest(least(next_on, :today) - entered_on, 0), coalesce(next_on <= :today, false), count(*)
from core.stage_edge
where entered_on <= :today
group by 1, 2, 3, 4
""")
_ARR_PER_CUSTOMER = sa.text("""
select avg(a.kept_arr)
from core.stage_step as s
join core.arr_step as a on a.account_key = s.account_key and a.from_day = s.entered_on
where s.stage = 'revenue' and s.entry_no = 1 and s.entered_on > cast(:today as date) - 365 and s.entered_on <= :today
""")
_CHANNELS = sa.text("""
select
    channel, month, is_over and month + interval '1 month' <= cast(:settled as date) as is_over, cost, n_leads,
    coalesce(n_qualified, 0) as n_qualified, coalesce(n_won, 0) as n_won,
    coalesce(n_qualified_won, 0) as n_qualified_won, coalesce(new_mrr, 0) as new_mrr, n_year_over,
    arr_a_year_ago, arr_kept
from marts.channel_cohort
where attribution = :attribution
order by month
""")
_PATHS_TAKEN = sa.text("""
select
    path, count(*) as n, count(*) / sum(count(*)) over () as share,
    percentile_cont(0.5) within group (order by days_to_activation) as median_days
from marts.activation_path
group by path
order by n desc, path
limit :most
""")
_STEPS = sa.text("""
select stage, entry_no, entered_on, evidence_table, evidence_key, evidence_field, rule_version, known_from
from core.stage_step
where account_key = :account
order by entered_on, stage
""")
_REFERRERS = sa.text("""
select
    r.account_key, coalesce(a.name, r.account_key) as account_name, count(*) as n_referred,
    count(p.customer_from) as n_customers, max(r.referred_on) as last_on
from core.referral as r
join core.prospect as p on p.prospect_key = r.referred_key
left join core.account as a on a.account_key = r.account_key
where cast(:accounts as text[]) is null or r.account_key = any(cast(:accounts as text[]))
group by r.account_key, a.name
order by n_referred desc, r.account_key
""")
