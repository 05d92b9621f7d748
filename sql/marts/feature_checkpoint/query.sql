-- Purpose: which features an account used in the twelve weeks that end 121 days before a renewal's decision.
-- Grain: renewal and feature. Inputs: renewals, usage per day, product starts, usage gaps.
-- Window: days [start, end), on which the window of the day before is written. Reads the 84 days before.
-- Caveats: rows are written once, after their window has closed, and never changed: nothing that happens later can
-- alter them. A renewal whose usage is not known over the whole window has no row. One without any usage has one row
-- with an empty feature.
with due as (
    select
        r.account_key,
        r.renewal_id,
        r.decision_date,
        r.decision_date - 121 as as_of,
        r.decision_date - 204 as first_day
    from core.renewal as r
    join core.product_start as p on p.account_key = r.account_key and p.first_day <= r.decision_date - 204
    left join core.usage_gap as g on g.account_key = r.account_key
    where r.is_in_rate
        and not r.is_auto_term
        and r.decision_date - 120 >= :start
        and r.decision_date - 120 < :end
        and r.decision_date - 120 <= :newest
        and r.term_start <= r.decision_date - 120
        and (r.outcome = 'open' or r.closed_on > r.decision_date - 121)
        and (g.from_day is null or g.from_day > r.decision_date - 121)
),

usage as (
    select d.account_key, d.renewal_id, d.first_day, u.day, u.user_key, u.feature, u.n_events
    from due as d
    join core.usage_day as u
        on u.account_key = d.account_key and u.day >= d.first_day and u.day <= d.as_of
    where u.day >= cast(:start as date) - 84
        and u.day < :end
),

users as (
    select account_key, renewal_id, count(distinct user_key) as n_active_users
    from usage
    group by account_key, renewal_id
),

by_feature as (
    select
        account_key,
        renewal_id,
        feature,
        count(distinct user_key) as n_users,
        count(distinct (day - first_day) / 7) as n_weeks,
        count(*) as n_user_days,
        sum(n_events) as n_events,
        min(day) as first_used_on
    from usage
    group by account_key, renewal_id, feature
),

totals as (
    select account_key, renewal_id, sum(n_user_days) as n_user_days
    from by_feature
    group by account_key, renewal_id
)

select
    d.renewal_id,
    d.account_key,
    coalesce(f.feature, '') as feature,
    d.as_of,
    d.decision_date,
    cast(coalesce(f.n_users, 0) as integer) as n_users,
    cast(coalesce(f.n_weeks, 0) as integer) as n_weeks,
    cast(coalesce(f.n_user_days, 0) as integer) as n_user_days,
    cast(coalesce(f.n_events, 0) as bigint) as n_events,
    f.first_used_on,
    cast(coalesce(u.n_active_users, 0) as integer) as n_active_users,
    cast(coalesce(t.n_user_days, 0) as integer) as n_user_days_all,
    coalesce((f.n_users >= 3 or f.n_users * 10 >= u.n_active_users) and f.n_weeks >= 4, false) as is_used,
    cast(cast(:newest as date) - d.as_of as integer) as days_after
from due as d
left join by_feature as f on f.account_key = d.account_key and f.renewal_id = d.renewal_id
left join users as u on u.account_key = d.account_key and u.renewal_id = d.renewal_id
left join totals as t on t.account_key = d.account_key and t.renewal_id = d.renewal_id
