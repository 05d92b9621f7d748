-- Purpose: the sums behind every usage figure: activity, seats, stickiness, depth, coverage, lifecycle, spread.
-- Grain: period and group. Inputs: usage, people, teams, seats, ARR and attribute steps, periods. Window: periods that
-- end on days [start, end).
-- Caveats: only accounts with ARR. Accounts without a product account count as unknown, not as inactive. Figures cover
-- the 28 days to the period's end, whatever its length; new teams, and new or returning accounts, are counted over the
-- period.
with periods as (
    select p.*, c.day_12m_ago
    from meta.period as p
    join meta.calendar as c on c.day = p.as_of
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
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

people as (
    select * from core.people_28d where day >= :start and day < :end
),

baselines as (
    select * from core.usage_baseline where day >= :start and day < :end
),

usage_last_year as (
    select * from core.usage_28d where day >= cast(:start as date) - 364 and day < cast(:end as date) - 364
),

baselines_last_year as (
    select * from core.usage_baseline
    where day >= cast(:start as date) - 364 and day < cast(:end as date) - 364
        and n_windows = 12
        and usage_baseline > 0
),

activity_spans as (
    select
        account_key,
        day as from_day,
        is_active,
        lead(day) over (partition by account_key order by day) as to_day,
        min(day) over (partition by account_key) as first_day
    from core.activity_step
    where day < :end
),

team_steps as (
    select
        t.account_key,
        t.day,
        -- Usage from before the loaded history is known only from its end.
        case
            when t.is_active then 1
            when row_number() over (partition by t.account_key, t.team order by t.day) > 1 then -1
            else 0
        end as n_active,
        -- Teams in use at the start of the history are not new.
        case
            when t.is_active
                and t.day >= p.first_day + 28
                and row_number() over (partition by t.account_key, t.team, t.is_active order by t.day) = 1
                then 1
            else 0
        end as n_begun
    from core.team_step as t
    join core.product_start as p on p.account_key = t.account_key
    where t.day < :end
),

-- Running totals by account, from one day of change to the next.
teams as (
    select
        account_key,
        day as from_day,
        lead(day) over (partition by account_key order by day) as to_day,
        sum(n_active) over (partition by account_key order by day rows unbounded preceding) as n_active,
        sum(n_begun) over (partition by account_key order by day rows unbounded preceding) as n_begun
    from (
        select account_key, day, sum(n_active) as n_active, sum(n_begun) as n_begun
        from team_steps
        group by account_key, day
    ) as d
),

key_features as (
    select count(*) as n_key_features from meta.feature where is_key_feature
),

expected as (
    select
        u.account_key,
        u.day,
        u.n_value_events_28d,
        b.usage_baseline * coalesce(
            cast(nullif(l.n_value_events_28d, 0) as double precision) / cast(y.usage_baseline as double precision), 1
        ) as usage_expected
    from usage as u
    join baselines as b on b.account_key = u.account_key and b.day = u.day
    left join baselines_last_year as y on y.account_key = u.account_key and y.day = u.day - 364
    left join usage_last_year as l on l.account_key = u.account_key and l.day = u.day - 364
),

members as (
    select
        p.period,
        p.period_start,
        p.as_of,
        a.account_key,
        u.account_key is not null as is_known,
        coalesce(u.n_value_events_28d, 0) > 0 as is_active,
        case
            when u.account_key is null then null
            when g.account_key is null then 'never'
            when not g.is_active then 'dormant'
            when g.from_day < p.period_start then 'returning'
            when g.from_day = g.first_day then 'new'
            else 'resurrected'
        end as lifecycle,
        u.active_users_28d,
        u.active_users_7d,
        u.n_active_users,
        u.n_user_days_28d,
        u.n_user_workdays_28d,
        u.minutes_28d,
        u.n_key_features_28d,
        case when u.account_key is not null then k.n_key_features end as n_key_features,
        h.n_deep_users,
        h.n_roles_active,
        h.n_roles_known,
        h.n_teams_known,
        case when u.account_key is not null then coalesce(m.n_active, 0) end as n_teams_active,
        case when u.account_key is not null then coalesce(m.n_begun, 0) - coalesce(o.n_begun, 0) end as n_teams_new,
        e.n_value_events_28d as usage_compared,
        e.usage_expected,
        case when u.account_key is not null then t.paid_seats_28d end as paid_seats_28d,
        t.n_paid_seats,
        t.n_activated_seats
    from periods as p
    cross join key_features as k
    join arr_steps as a on p.as_of >= a.from_day and (a.to_day is null or p.as_of < a.to_day)
    left join usage as u on u.account_key = a.account_key and u.day = p.as_of
    left join people as h on h.account_key = a.account_key and h.day = p.as_of
    left join expected as e on e.account_key = a.account_key and e.day = p.as_of
    left join teams as m
        on m.account_key = a.account_key and p.as_of >= m.from_day and (m.to_day is null or p.as_of < m.to_day)
    left join teams as o
        on o.account_key = a.account_key
        and p.before_start >= o.from_day and (o.to_day is null or p.before_start < o.to_day)
    left join activity_spans as g
        on g.account_key = a.account_key and p.as_of >= g.from_day and (g.to_day is null or p.as_of < g.to_day)
    left join seats as t on t.account_key = a.account_key and t.day = p.as_of
    where a.arr > 0
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
    cast(sum(n_key_features) as bigint) as n_key_features,
    cast(sum(n_active_users) as bigint) as n_active_users,
    cast(sum(active_users_7d) as bigint) as active_users_7d,
    cast(sum(n_user_workdays_28d) as bigint) as n_user_workdays_28d,
    sum(minutes_28d) as minutes_28d,
    cast(sum(case when minutes_28d is not null then n_user_days_28d end) as bigint) as n_timed_user_days_28d,
    count(minutes_28d) as n_timed,
    cast(sum(n_deep_users) as bigint) as n_deep_users,
    cast(sum(n_roles_active) as bigint) as n_roles_active,
    cast(sum(n_roles_known) as bigint) as n_roles_known,
    cast(sum(n_teams_active) as bigint) as n_teams_active,
    cast(sum(n_teams_known) as bigint) as n_teams_known,
    cast(sum(n_teams_new) as bigint) as n_teams_new,
    cast(sum(usage_compared) as bigint) as usage_compared,
    cast(sum(usage_expected) as numeric(18, 2)) as usage_expected,
    count(usage_expected) as n_with_baseline,
    count(case when lifecycle = 'new' then 1 end) as n_new,
    count(case when lifecycle = 'returning' then 1 end) as n_returning,
    count(case when lifecycle = 'resurrected' then 1 end) as n_resurrected,
    count(case when lifecycle = 'dormant' then 1 end) as n_dormant,
    count(case when lifecycle = 'never' then 1 end) as n_never
from grouped
group by period, period_start, as_of, grain, grain_key
