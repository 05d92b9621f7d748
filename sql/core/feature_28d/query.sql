-- Purpose: the use of single key features, for health measures that name them.
-- Grain: account, day and feature. Inputs: usage per day, the features that sql/health names, product start, gaps,
-- calendar. Window: days [start, end); reads the 27 days before.
-- Caveats: only features that a profile names; by default none. Each day is added and subtracted 28 days later.
with usage as (
    select u.account_key, u.feature, c.day_no, cast(sum(u.n_events) as bigint) as n_events
    from core.usage_day as u
    join meta.scored_feature as f on f.feature = u.feature
    join meta.calendar as c on c.day = u.day
    where u.day >= cast(:start as date) - 27
        and u.day < :end
        and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
    group by u.account_key, u.feature, c.day_no
),

calendar as (
    select * from meta.calendar where day >= :start and day < :end
),

first_day as (
    select min(day_no) as day_no from calendar
),

-- Events before the window start the totals on its first day.
daily as (
    select d.account_key, d.feature, greatest(d.day_no, f.day_no) as day_no, cast(sum(d.n_events) as bigint) as n_events
    from (
        select account_key, feature, day_no, n_events from usage
        union all
        select account_key, feature, day_no + 28, -n_events from usage
    ) as d
    cross join first_day as f
    group by d.account_key, d.feature, greatest(d.day_no, f.day_no)
),

grid as (
    select u.account_key, u.feature, c.day, c.day_no
    from (select distinct account_key, feature from usage) as u
    join core.product_start as p on p.account_key = u.account_key
    join calendar as c on c.day >= p.first_day
    left join core.usage_gap as x on x.account_key = u.account_key
    where x.from_day is null or c.day < x.from_day
),

running as (
    select
        g.account_key,
        g.day,
        g.feature,
        sum(d.n_events) over (
            partition by g.account_key, g.feature order by g.day_no rows unbounded preceding
        ) as n_events_28d
    from grid as g
    left join daily as d on d.account_key = g.account_key and d.feature = g.feature and d.day_no = g.day_no
)

select account_key, day, feature, cast(n_events_28d as bigint) as n_events_28d
from running
where n_events_28d > 0
