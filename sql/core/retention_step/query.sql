-- Purpose: when a newly active account turned out to stay: value events in each of the weeks 5 to 8.
-- Grain: account; the day is that of the first value event in week 8. Inputs: activity steps, usage of 28 days.
-- Window: days [start, end); reads the 27 days before. Caveat: weeks count from the first value event, by seven days.
with firsts as (
    select account_key, min(day) as activated_on
    from core.activity_step
    where is_active
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

due as (
    select * from firsts
    where activated_on + 49 < :end and activated_on + 55 >= cast(:start as date)
),

value_days as (
    select d.account_key, u.day, cast(floor((u.day - d.activated_on) / 7.0) as integer) as week_no
    from due as d
    join core.usage_28d as u
        on u.account_key = d.account_key
        and u.day >= d.activated_on + 28
        and u.day <= d.activated_on + 55
    where u.n_active_users > 0
        and u.day < :end
)

select account_key, max(day) as day
from (
    select account_key, week_no, min(day) as day from value_days group by account_key, week_no
) as weeks
group by account_key
having count(*) = 4 and max(day) >= cast(:start as date)
