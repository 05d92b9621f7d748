-- Purpose: the share of the desk's and the product's ids that belong to a known account.
-- Grain: period and group. Inputs: the history of the bridge, periods. Window: periods that end on days [start, end).
-- Caveat: uses the knowledge at the close of the day, so that a later match does not improve an old day; days before
-- the first load have no row.
with history as (
    select * from core.account_bridge_history
),

periods as (
    select * from meta.period
    where as_of >= :start and as_of < :end
        and (period = 'day' or as_of < cast(:newest as date))
),

versions as (
    select
        source,
        source_id,
        entity,
        version_no,
        cast(min(known_from) at time zone :zone as date) as day,
        max(cast(account_key is null and open_reason <> 'answered: no account' as integer)) as n_unmatched
    from history
    where entity <> 'account'
    group by source, source_id, entity, version_no
),

changes as (
    select
        day,
        entity,
        cast(version_no = 1 as integer) as n_ids,
        n_unmatched - coalesce(lag(n_unmatched) over (partition by source, source_id order by version_no), 0)
            as n_unmatched
    from versions
),

daily as (
    select
        day,
        sum(case when entity = 'organization' then n_ids else 0 end) as n_organizations,
        sum(case when entity = 'organization' then n_unmatched else 0 end) as n_unmatched_organizations,
        sum(case when entity = 'product_account' then n_ids else 0 end) as n_product_accounts,
        sum(case when entity = 'product_account' then n_unmatched else 0 end) as n_unmatched_product_accounts
    from changes
    group by day
),

steps as (
    select
        day,
        lead(day) over (order by day) as until,
        sum(n_organizations) over (order by day rows unbounded preceding) as n_organizations,
        sum(n_unmatched_organizations) over (order by day rows unbounded preceding) as n_unmatched_organizations,
        sum(n_product_accounts) over (order by day rows unbounded preceding) as n_product_accounts,
        sum(n_unmatched_product_accounts) over (order by day rows unbounded preceding)
            as n_unmatched_product_accounts
    from daily
)

select
    p.period,
    p.period_start,
    p.as_of,
    'all' as grain,
    'all' as grain_key,
    cast(s.n_organizations as bigint) as n_organizations,
    cast(s.n_unmatched_organizations as bigint) as n_unmatched_organizations,
    cast(s.n_product_accounts as bigint) as n_product_accounts,
    cast(s.n_unmatched_product_accounts as bigint) as n_unmatched_product_accounts
from periods as p
join steps as s on s.day <= p.as_of and (s.until is null or s.until > p.as_of)
