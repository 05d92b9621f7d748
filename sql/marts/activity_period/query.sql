-- Purpose: the sums behind activity rate, active seats, utilisation and breadth.
-- Grain: period and group. Inputs: usage of 28 days, seats, ARR and attribute steps, periods. Window: periods that
-- end on days [start, end).
-- Caveats: only accounts with ARR; those without a product account are counted as not known, not as inactive. The
-- figures are of the 28 days that end with the period, whatever its length.
with periods as (
    select p.*, c.day_12m_ago
    from meta.period as p
    join meta.calendar as c on c.day = p.as_of
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
),

attribute_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
),

arr_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.arr_step
),

usage as (
    select * from core.usage_28d where day >= :start and day < :end
),

seats as (
    select * from core.seat_day where day >= :start and day < :end
),

key_features as (
    select count(*) as n_key_features from meta.feature where is_key_feature
),

members as (
    select
        p.period,
        p.period_start,
        p.as_of,
        s.owner_key,
        s.tier,
        s.industry,
        s.region,
        u.account_key is not null as is_known,
        coalesce(u.n_value_events_28d, 0) > 0 as is_active,
        u.active_users_28d,
        u.n_user_days_28d,
        u.n_key_features_28d,
        case when u.account_key is not null then k.n_key_features end as n_key_features,
        case when u.account_key is not null then t.paid_seats_28d end as paid_seats_28d,
        t.n_paid_seats,
        t.n_activated_seats
    from periods as p
    cross join key_features as k
    join attribute_steps as s on p.as_of >= s.from_day and (s.to_day is null or p.as_of < s.to_day)
    join arr_steps as a
        on a.account_key = s.account_key and p.as_of >= a.from_day and (a.to_day is null or p.as_of < a.to_day)
    left join usage as u on u.account_key = s.account_key and u.day = p.as_of
    left join seats as t on t.account_key = s.account_key and t.day = p.as_of
    where a.arr > 0
),

grouped as (
    select
        x.*,
        g.grain,
        case g.grain
            when 'all' then 'all'
            when 'tier' then coalesce(x.tier, 'unknown')
            when 'csm' then coalesce(x.owner_key, 'unknown')
            when 'industry' then coalesce(x.industry, 'unknown')
            else coalesce(x.region, 'unknown')
        end as grain_key
    from members as x
    join meta.grain as g on g.grain = 'all' or x.period <> 'day'
)

select
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    count(*) as n_accounts,
    count(case when is_known then 1 end) as n_known,
    count(case when is_active then 1 end) as n_active,
    cast(sum(active_users_28d) as bigint) as active_users_28d,
    cast(sum(n_user_days_28d) as bigint) as n_user_days_28d,
    sum(case when paid_seats_28d > 0 then active_users_28d end) as active_users_with_seats,
    sum(paid_seats_28d) as paid_seats_28d,
    cast(sum(n_paid_seats) as bigint) as n_paid_seats,
    cast(sum(case when n_paid_seats > 0 then n_activated_seats end) as bigint) as n_activated_seats,
    count(n_paid_seats) as n_with_seats,
    cast(sum(n_key_features_28d) as bigint) as n_key_features_used,
    cast(sum(n_key_features) as bigint) as n_key_features
from grouped
group by period, period_start, as_of, grain, grain_key
