-- Purpose: time of new customers to their first value. Grain: period and group.
-- Inputs: ARR, attribute and activity steps, milestones, periods. Window: periods that end on days [start, end).
-- Caveats: covers accounts whose first contract started in the 365 days before the period's end and whose usage or
-- milestones are known. Accounts without first value by then are censored, not left out. The median is Kaplan-Meier's,
-- and null while fewer than half are expected to have had it. First value is the first value event or accepted
-- milestone.
with periods as (
    select p.*
    from meta.period as p
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
),

contract_starts as (
    select account_key, min(from_day) as started_on from core.arr_step where kept_arr > 0 group by account_key
),

first_values as (
    select account_key, min(day) as reached_on
    from (
        select account_key, day from core.activity_step where is_active
        union all
        select b.account_key, m.done_on
        from staging.stg_crm__milestone as m
        join core.account_bridge as b on b.source = m.source and b.source_id = m.account_id
        where m.done_on is not null
            and not m.is_deleted
            and m.status in ('accepted', 'done', 'completed')
            and b.account_key is not null
    ) as reached
    group by account_key
),

known as (
    select account_key from core.product_start
    union
    select account_key from first_values
),

members as (
    select
        p.period,
        p.period_start,
        p.as_of,
        c.account_key,
        case when v.reached_on <= p.as_of then 1 else 0 end as is_reached,
        case
            when v.reached_on <= p.as_of then greatest(v.reached_on - c.started_on, 0)
            else p.as_of - c.started_on
        end as n_days
    from periods as p
    join contract_starts as c on c.started_on <= p.as_of and c.started_on > p.as_of - 365
    join known as k on k.account_key = c.account_key
    left join first_values as v on v.account_key = c.account_key
),

grouped as (
    select x.*, g.grain, g.grain_key
    from members as x
    join core.account_group as g
        on g.account_key = x.account_key
        and x.as_of >= g.from_day and (g.to_day is null or x.as_of < g.to_day)
        and (g.grain = 'all' or x.period <> 'day')
),

by_day as (
    select
        period,
        period_start,
        as_of,
        grain,
        grain_key,
        n_days,
        count(*) as n_here,
        sum(is_reached) as n_reached
    from grouped
    group by period, period_start, as_of, grain, grain_key, n_days
),

at_risk as (
    select
        *,
        sum(n_here) over (
            partition by period, as_of, grain, grain_key
            order by n_days
            rows between current row and unbounded following
        ) as n_at_risk
    from by_day
),

-- The product of the surviving shares is the sum of their logarithms; if none survives, it is 0 from there.
survival as (
    select
        *,
        exp(
            sum(case when n_reached < n_at_risk then ln(1 - cast(n_reached as double precision) / n_at_risk) end) over w
        ) as share_left,
        min(case when n_reached < n_at_risk then 1 else 0 end) over w as some_go_on
    from at_risk
    window w as (partition by period, as_of, grain, grain_key order by n_days rows unbounded preceding)
)

select
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    cast(sum(n_here) as bigint) as n_accounts,
    cast(sum(n_reached) as bigint) as n_reached,
    cast(sum(case when n_days <= cast(:first_value_days as integer) then n_reached else 0 end) as bigint) as n_in_time,
    -- Accounts with time left are in neither.
    cast(sum(case when n_days <= cast(:first_value_days as integer) then n_reached else n_here end) as bigint)
        as n_judged,
    cast(min(case when some_go_on = 0 or share_left <= 0.5000000001 then n_days end) as double precision)
        as median_days,
    cast(sum(n_days * n_reached) as bigint) as days_of_reached
from survival
group by period, period_start, as_of, grain, grain_key
