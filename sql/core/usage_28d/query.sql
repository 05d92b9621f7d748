-- Purpose: the moving sums behind every usage figure.
-- Grain: account and day. Inputs: usage per day, product start, gaps, calendar. Window: days [start, end); reads the 27
-- days before.
-- Caveats: no day is read 28 times: each day's values are added and subtracted 28 days later, and the running total is
-- the moving sum. For a user or feature that returns within 28 days only the gap counts. Days without usage are rows
-- with zeros.
with usage as (
    select u.*, c.day_no, c.is_working_day
    from core.usage_day as u
    join meta.calendar as c on c.day = u.day
    where u.day >= cast(:start as date) - 27
        and u.day < :end
        and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
),

product_starts as (
    select * from core.product_start
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

gaps as (
    select * from core.usage_gap
),

calendar as (
    select * from meta.calendar where day >= :start and day < :end
),

first_day as (
    select min(day_no) as day_no from calendar
),

user_days as (
    select
        account_key,
        user_key,
        day_no,
        is_working_day,
        lead(day_no) over (partition by account_key, user_key order by day_no) as next_day_no
    from usage
    where is_value_event
    group by account_key, user_key, day_no, is_working_day
),

feature_days as (
    select
        account_key,
        feature,
        day_no,
        lead(day_no) over (partition by account_key, feature order by day_no) as next_day_no
    from usage
    where is_key_feature
    group by account_key, feature, day_no
),

event_days as (
    select
        account_key,
        day_no,
        cast(sum(n_events) as bigint) as n_events,
        cast(sum(case when is_value_event then n_events else 0 end) as bigint) as n_value_events,
        sum(minutes) as minutes
    from usage
    group by account_key, day_no
),

active_days as (
    select
        account_key,
        day_no,
        cast(count(*) as integer) as n_users,
        cast(count(case when is_working_day then 1 end) as integer) as n_users_on_workdays
    from user_days
    group by account_key, day_no
),

-- A day adds its totals and subtracts them 28 days later. For returning users and features, only the gap counts.
day_totals as (
    select
        e.account_key,
        e.day_no,
        e.n_events,
        e.n_value_events,
        coalesce(a.n_users, 0) as n_users,
        coalesce(a.n_users_on_workdays, 0) as n_users_on_workdays,
        e.minutes,
        case when e.minutes is not null then 1 else 0 end as n_timed
    from event_days as e
    left join active_days as a on a.account_key = e.account_key and a.day_no = e.day_no
),

deltas as (
    select
        account_key,
        day_no,
        n_events,
        n_value_events,
        n_users,
        n_users as n_users_7d,
        0 as n_features,
        n_users as n_user_days,
        n_users_on_workdays as n_user_workdays,
        minutes,
        n_timed
    from day_totals
    union all
    select
        account_key,
        day_no + 28,
        -n_events,
        -n_value_events,
        0, 0, 0,
        -n_users,
        -n_users_on_workdays,
        -minutes,
        -n_timed
    from day_totals
    union all
    select account_key, least(day_no + 28, coalesce(next_day_no, day_no + 28)), 0, 0, -1, 0, 0, 0, 0, 0, 0
    from user_days
    union all
    select account_key, least(day_no + 7, coalesce(next_day_no, day_no + 7)), 0, 0, 0, -1, 0, 0, 0, 0, 0
    from user_days
    union all
    select account_key, day_no, 0, 0, 0, 0, 1, 0, 0, 0, 0 from feature_days
    union all
    select account_key, least(day_no + 28, coalesce(next_day_no, day_no + 28)), 0, 0, 0, 0, -1, 0, 0, 0, 0
    from feature_days
),

-- Events before the window start the totals on its first day. Counts stay integers, since sums of wider types take
-- several times as long.
daily as (
    select
        d.account_key,
        greatest(d.day_no, f.day_no) as day_no,
        cast(sum(d.n_events) as bigint) as n_events,
        cast(sum(d.n_value_events) as bigint) as n_value_events,
        cast(sum(d.n_users) as integer) as n_users,
        cast(sum(d.n_users_7d) as integer) as n_users_7d,
        cast(sum(d.n_features) as integer) as n_features,
        cast(sum(d.n_user_days) as integer) as n_user_days,
        cast(sum(d.n_user_workdays) as integer) as n_user_workdays,
        sum(coalesce(d.minutes, 0)) as minutes,
        cast(sum(d.n_timed) as integer) as n_timed
    from deltas as d
    cross join first_day as f
    group by d.account_key, greatest(d.day_no, f.day_no)
),

grid as (
    select p.account_key, p.first_day, c.day, c.day_no
    from product_starts as p
    join calendar as c on c.day >= p.first_day
    left join gaps as x on x.account_key = p.account_key
    where x.from_day is null or c.day < x.from_day
),

running as (
    select
        g.account_key,
        g.day,
        g.first_day,
        g.day_no,
        sum(d.n_events) over w as n_events_28d,
        sum(d.n_value_events) over w as n_value_events_28d,
        sum(d.n_users) over w as active_users_28d,
        sum(d.n_features) over w as n_key_features_28d,
        sum(d.n_user_days) over w as n_user_days_28d,
        sum(d.n_users_7d) over w as active_users_7d,
        sum(d.n_user_workdays) over w as n_user_workdays_28d,
        sum(d.minutes) over w as minutes_28d,
        sum(d.n_timed) over w as n_timed_days_28d
    from grid as g
    left join daily as d on d.account_key = g.account_key and d.day_no = g.day_no
    window w as (partition by g.account_key order by g.day_no rows unbounded preceding)
)

select
    r.account_key,
    r.day,
    cast(r.day - r.first_day as integer) as n_days_known,
    coalesce(a.n_users, 0) as n_active_users,
    cast(coalesce(r.n_events_28d, 0) as bigint) as n_events_28d,
    cast(coalesce(r.n_value_events_28d, 0) as bigint) as n_value_events_28d,
    cast(coalesce(r.active_users_28d, 0) as bigint) as active_users_28d,
    cast(coalesce(r.n_key_features_28d, 0) as bigint) as n_key_features_28d,
    cast(coalesce(r.n_user_days_28d, 0) as bigint) as n_user_days_28d,
    cast(coalesce(r.active_users_7d, 0) as bigint) as active_users_7d,
    cast(coalesce(r.n_user_workdays_28d, 0) as bigint) as n_user_workdays_28d,
    cast(case when r.n_timed_days_28d > 0 then r.minutes_28d end as numeric(18, 2)) as minutes_28d
from running as r
left join active_days as a on a.account_key = r.account_key and a.day_no = r.day_no
