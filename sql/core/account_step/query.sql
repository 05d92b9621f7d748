-- Purpose: the attributes for grouping figures and valuing accounts, by day.
-- Grain: account and day of change. Inputs: account history, account.
-- Window: none. Caveats: excluded accounts have no row and so appear in no figure. The first version applies to all
-- days before it. Of several changes within a day the last one counts.
with history as (
    select * from core.account_history
),

accounts as (
    select * from core.account
),

current_belief as (
    select
        h.*,
        case
            when h.version_no = min(h.version_no) over (partition by h.account_key) then cast('1990-01-01' as date)
            else cast(h.valid_from at time zone :zone as date)
        end as from_day
    from history as h
    join accounts as a on a.account_key = h.account_key
    where h.known_to is null
        and not a.is_excluded
        and (cast(:accounts as text[]) is null or h.account_key = any(cast(:accounts as text[])))
),

last_of_day as (
    select *, row_number() over (partition by account_key, from_day order by version_no desc) as age
    from current_belief
),

-- A late version that is older than the known one is ignored.
in_order as (
    select
        *,
        max(version_no) over (partition by account_key order by from_day rows unbounded preceding) as newest_so_far
    from last_of_day
    where age = 1
),

with_facts as (
    select
        *,
        concat_ws(
            '|',
            coalesce(owner_key, ''),
            coalesce(tier, ''),
            coalesce(industry, ''),
            coalesce(region, ''),
            coalesce(cast(employees as text), ''),
            coalesce(brand, ''),
            coalesce(cast(referrals as text), '')
        ) as facts
    from in_order
    where version_no = newest_so_far
),

compared as (
    select *, lag(facts) over (partition by account_key order by from_day) as facts_before
    from with_facts
)

select
    account_key,
    from_day,
    owner_key,
    tier,
    industry,
    region,
    employees,
    brand,
    referrals
from compared
where facts_before is null or facts_before <> facts
