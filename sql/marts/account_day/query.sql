-- Purpose: all facts about an account on a day, in one row.
-- Grain: account and day. Inputs: attribute, ARR, contact and touch steps, usage, baselines, seats, tickets, gaps.
-- Window: days [start, end).
-- Caveats: daily for 400 days, month ends before that. A value without a connected source, or from incompletely read
-- data, is null, never 0. Usage against the baseline is corrected by the same weeks of last year if 13 months are
-- known. Where nobody worked in those weeks, nothing is expected and there is no ratio.
with attribute_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

arr_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.arr_step
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

contact_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.contact_step
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

touches as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.contact_touch
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

product_starts as (
    select * from core.product_start
),

contract_gaps as (
    select * from core.account_gap where part = 'contracts'
),

contact_gaps as (
    select * from core.account_gap where part = 'contacts'
),

ticket_gaps as (
    select * from core.account_gap where part = 'tickets'
),

bridge as (
    select * from core.account_bridge
),

tickets as (
    select * from core.ticket
    where not is_deleted
        and created_day < :end
        and (solved_day is null or solved_day >= :start)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

usage as (
    select * from core.usage_28d
    where day >= :start and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

usage_last_year as (
    select * from core.usage_28d
    where day >= cast(:start as date) - 364 and day < cast(:end as date) - 364
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

baselines as (
    select * from core.usage_baseline
    where day >= :start and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

baselines_last_year as (
    select * from core.usage_baseline
    where day >= cast(:start as date) - 364 and day < cast(:end as date) - 364
        and n_windows = 12
        and usage_baseline > 0
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

seats as (
    select * from core.seat_day
    where day >= :start and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

key_features as (
    select count(*) as n_key_features from meta.feature where is_key_feature
),

calendar as (
    select * from meta.calendar
    where day >= :start and day < :end
        and (is_month_end or day > cast(:newest as date) - cast(:daily_days as integer))
),

first_days as (
    select account_key, min(first_day) as first_day
    from (
        select account_key, from_day as first_day from arr_steps
        union all
        select account_key, first_day from product_starts
    ) as starts
    group by account_key
),

in_desk as (
    select distinct account_key from bridge where entity = 'organization' and account_key is not null
),

contract_starts as (
    select s.account_key, c.month_no, c.day_of_month
    from (select account_key, min(from_day) as day from arr_steps where kept_arr > 0 group by account_key) as s
    join meta.calendar as c on c.day = s.day
),

grid as (
    select
        s.account_key,
        c.day,
        c.day_12m_ago,
        -- Days of the contract; below 0 before it.
        c.month_no - x.month_no - case when c.day_of_month < x.day_of_month then 1 else 0 end as n_months,
        s.owner_key,
        s.tier,
        s.industry,
        s.region,
        -- The value of an account without contracts; unknown while contracts are not read.
        case when u.account_key is null then 0 end as nothing
    from attribute_steps as s
    join first_days as f on f.account_key = s.account_key
    join calendar as c on c.day >= f.first_day and c.day >= s.from_day and (s.to_day is null or c.day < s.to_day)
    left join contract_starts as x on x.account_key = s.account_key
    left join contract_gaps as u on u.account_key = s.account_key and c.day >= u.from_day
),

ticket_deltas as (
    select
        account_key,
        created_day as day,
        1 as n_open,
        cast(coalesce(priority = 'urgent', false) as integer) as n_urgent
    from tickets
    union all
    select account_key, solved_day, -1, -cast(coalesce(priority = 'urgent', false) as integer)
    from tickets
    where solved_day is not null
),

ticket_days as (
    select account_key, greatest(day, :start) as day, sum(n_open) as n_open, sum(n_urgent) as n_urgent
    from ticket_deltas
    group by account_key, greatest(day, :start)
),

every_day as (
    select day from meta.calendar where day >= :start and day < :end
),

open_tickets as (
    select
        a.account_key,
        c.day,
        sum(t.n_open) over (partition by a.account_key order by c.day rows unbounded preceding) as n_open,
        sum(t.n_urgent) over (partition by a.account_key order by c.day rows unbounded preceding) as n_urgent
    from (select distinct account_key from ticket_days) as a
    cross join every_day as c
    left join ticket_days as t on t.account_key = a.account_key and t.day = c.day
),

oldest_urgent as (
    select t.account_key, c.day, min(t.created_at) as oldest_open_urgent_at
    from tickets as t
    join calendar as c on c.day >= t.created_day and (t.solved_day is null or c.day < t.solved_day)
    where t.priority = 'urgent'
    group by t.account_key, c.day
),

expected as (
    select
        u.account_key,
        u.day,
        b.usage_baseline,
        b.n_windows,
        cast(l.n_value_events_28d as double precision) / cast(y.usage_baseline as double precision) as season
    from usage as u
    left join baselines as b on b.account_key = u.account_key and b.day = u.day
    left join baselines_last_year as y on y.account_key = u.account_key and y.day = u.day - 364
    left join usage_last_year as l on l.account_key = u.account_key and l.day = u.day - 364
)

select
    g.account_key,
    g.day,
    g.owner_key,
    g.tier,
    g.industry,
    g.region,
    coalesce(m.arr, g.nothing) as arr,
    coalesce(m.pending_late_arr, g.nothing) as pending_late_arr,
    nullif(m.paused_arr, 0) as paused_arr,
    coalesce(m.suspected_deleted_arr, g.nothing) as suspected_deleted_arr,
    coalesce(m.kept_arr, g.nothing) as kept_arr,
    coalesce(p.kept_arr_next_rates, p.kept_arr, g.nothing) as kept_arr_12m_ago,
    least(coalesce(m.kept_arr, g.nothing), coalesce(p.kept_arr_next_rates, p.kept_arr, g.nothing))
        as kept_arr_of_12m_ago,
    coalesce(m.kept_arr, g.nothing) > 0 as is_customer,
    u.n_active_users,
    u.n_value_events_28d as usage_28d,
    e.usage_baseline,
    e.n_windows as n_baseline_windows,
    e.season as usage_season,
    cast(e.usage_baseline * coalesce(e.season, 1) as numeric(18, 2)) as usage_expected,
    case
        when e.usage_baseline > 0
            then u.n_value_events_28d / nullif(cast(e.usage_baseline as double precision) * coalesce(e.season, 1), 0)
    end as usage_ratio,
    u.active_users_28d,
    u.n_user_days_28d,
    u.n_key_features_28d,
    case
        when u.account_key is not null and k.n_key_features > 0
            then cast(u.n_key_features_28d as double precision) / k.n_key_features
    end as breadth,
    s.n_paid_seats as paid_seats,
    s.n_activated_seats as activated_seats,
    s.paid_seats_28d,
    case when s.n_paid_seats > 0 then cast(s.n_activated_seats as double precision) / s.n_paid_seats end
        as seat_utilisation,
    -- Young contracts get time: none below two months is judged.
    case
        when s.n_paid_seats is null or s.n_paid_seats = 0 or g.n_months < 2 or g.n_months is null then null
        when s.n_activated_seats * 10 < s.n_paid_seats then 'red'
        when s.n_activated_seats * 2 <= s.n_paid_seats then case when g.n_months < 6 then 'yellow' else 'red' end
        when s.n_activated_seats * 4 <= s.n_paid_seats * 3
            then case when g.n_months < 6 then 'green' when g.n_months < 9 then 'yellow' else 'red' end
        else 'green'
    end as utilisation_band,
    case when s.paid_seats_28d > 0 then u.active_users_28d / cast(s.paid_seats_28d as double precision) end
        as active_seat_share,
    case when d.account_key is not null and v.account_key is null then cast(coalesce(t.n_open, 0) as integer) end
        as n_open_tickets,
    case when d.account_key is not null and v.account_key is null then cast(coalesce(t.n_urgent, 0) as integer) end
        as n_open_urgent_tickets,
    case when v.account_key is null then o.oldest_open_urgent_at end as oldest_open_urgent_at,
    h.last_contact_at,
    case when w.account_key is null then coalesce(r.n_contacts, 0) end as n_contacts,
    case when w.account_key is null then coalesce(r.n_decision_makers, 0) end as n_decision_makers,
    case when w.account_key is null then coalesce(r.n_champions, 0) end as n_champions
from grid as g
cross join key_features as k
left join arr_steps as m
    on m.account_key = g.account_key and g.day >= m.from_day and (m.to_day is null or g.day < m.to_day)
left join arr_steps as p
    on p.account_key = g.account_key and g.day_12m_ago >= p.from_day and (p.to_day is null or g.day_12m_ago < p.to_day)
left join usage as u on u.account_key = g.account_key and u.day = g.day
left join expected as e on e.account_key = g.account_key and e.day = g.day
left join seats as s on s.account_key = g.account_key and s.day = g.day
left join in_desk as d on d.account_key = g.account_key
left join open_tickets as t on t.account_key = g.account_key and t.day = g.day
left join oldest_urgent as o on o.account_key = g.account_key and o.day = g.day
left join touches as h
    on h.account_key = g.account_key and g.day >= h.from_day and (h.to_day is null or g.day < h.to_day)
left join contact_steps as r
    on r.account_key = g.account_key and g.day >= r.from_day and (r.to_day is null or g.day < r.to_day)
left join ticket_gaps as v on v.account_key = g.account_key and g.day >= v.from_day
left join contact_gaps as w on w.account_key = g.account_key and g.day >= w.from_day
