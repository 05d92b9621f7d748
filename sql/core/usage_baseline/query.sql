-- Purpose: the usage baseline.
-- Grain: account and day. Inputs: usage of 28 days. Window: days [start, end); reads the 84 days before.
-- Caveats: the median of the windows that end 1 to 12 whole weeks earlier, so that all end on the same weekday. Windows
-- from before the account had the product are left out; with fewer than four there is no baseline.
with usage as (
    select account_key, day, n_days_known, n_value_events_28d
    from core.usage_28d
    where day >= cast(:start as date) - 84
        and day < cast(:end as date) - 7
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

weeks as (
    select day_no - min(day_no) over () + 1 as n
    from meta.calendar
    where day >= cast('2000-01-01' as date) and day < cast('2000-01-13' as date)
),

-- Reads only the days on which such windows end.
ends as (
    select c.day, c.day - cast(7 * w.n as integer) as ended_on
    from meta.calendar as c
    cross join weeks as w
    where c.day >= :start and c.day < :end
),

earlier as (
    select u.account_key, e.day, u.n_value_events_28d
    from usage as u
    join ends as e on e.ended_on = u.day
    where u.n_days_known >= 27
)

select
    account_key,
    day,
    cast(count(*) as integer) as n_windows,
    cast(percentile_cont(0.5) within group (order by n_value_events_28d) as numeric(18, 2)) as usage_baseline
from earlier
group by account_key, day
having count(*) >= 4
