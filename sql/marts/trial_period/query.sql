-- Purpose: the number of trials, and of trials that convert. Grain: period and group.
-- Inputs: trials, groups, periods. Window: periods that end on days [start, end).
-- Caveats: a trial counts as over in the period in which its 90 days end, and as converted if the account was a
-- customer by then, whatever happened later. Weeks, months and quarters appear once they are over.
with periods as (
    select p.*
    from meta.period as p
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
),

members as (
    select p.period, p.period_start, p.as_of, t.account_key, 1 as is_started, 0 as is_over, 0 as is_converted
    from periods as p
    join core.trial as t on t.started_on >= p.period_start and t.started_on <= p.as_of
    union all
    select
        p.period,
        p.period_start,
        p.as_of,
        t.account_key,
        0,
        1,
        case when t.converted_on <= t.over_on then 1 else 0 end
    from periods as p
    join core.trial as t on t.over_on >= p.period_start and t.over_on <= p.as_of
),

grouped as (
    select x.*, g.grain, g.grain_key
    from members as x
    join core.account_group as g
        on g.account_key = x.account_key
        and x.as_of >= g.from_day and (g.to_day is null or x.as_of < g.to_day)
        and (g.grain = 'all' or x.period <> 'day')
)

select
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    cast(sum(is_started) as bigint) as n_started,
    cast(sum(is_over) as bigint) as n_over,
    cast(sum(is_converted) as bigint) as n_converted
from grouped
group by period, period_start, as_of, grain, grain_key
