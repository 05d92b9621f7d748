-- Purpose: which customers of an industry others could learn from: how they compare, and which tests they pass.
-- Grain: account and month end. Inputs: account days, attribute steps, health inputs and bands, renewals.
-- Window: month ends on days [start, end), completed months. Renewals count for the 365 days before.
-- Caveats: only industries with at least five customers. A percentile is the share of the industry's other customers
-- with a known, lower value. Satisfaction and tickets that are not known fail no test.
with grid as (
    select d.account_key, d.day as as_of, d.n_open_urgent_tickets
    from marts.account_day as d
    join meta.calendar as c on c.day = d.day and c.is_month_end
    where d.day >= :start
        and d.day < :end
        and d.day < cast(:newest as date)
        and d.is_customer
),

attribute_steps as (
    select
        account_key,
        from_day,
        nullif(industry, '') as industry,
        tier,
        lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
),

customers as (
    select
        g.account_key,
        g.as_of,
        g.n_open_urgent_tickets,
        s.industry,
        s.tier,
        count(*) over (partition by s.industry, g.as_of) as n_customers
    from grid as g
    join attribute_steps as s
        on s.account_key = g.account_key and g.as_of >= s.from_day and (s.to_day is null or g.as_of < s.to_day)
    where s.industry is not null
),

expanded as (
    select distinct c.account_key, c.as_of
    from customers as c
    join core.renewal as r on r.account_key = c.account_key and r.due_date <= c.as_of and r.due_date > c.as_of - 365
    where r.outcome in ('auto', 'early', 'on_time', 'in_grace', 'after_grace') and r.renewed_arr > r.target_arr
),

figures as (
    select
        c.account_key,
        c.as_of,
        c.industry,
        c.tier,
        c.n_customers,
        i.days_as_customer,
        i.milestones_on_time,
        i.breadth,
        i.depth,
        i.active_seat_share,
        c.n_open_urgent_tickets,
        i.nps_median,
        i.good_rating_share,
        h.last_band,
        h.band_since,
        h.coverage,
        e.account_key is not null as has_expanded
    from customers as c
    join marts.health_input as i on i.account_key = c.account_key and i.day = c.as_of
    left join marts.account_health as h on h.account_key = c.account_key and h.day = c.as_of
    left join expanded as e on e.account_key = c.account_key and e.as_of = c.as_of
    where c.n_customers >= 5
),

ranked as (
    select
        *,
        percent_rank() over (partition by industry, as_of, milestones_on_time is null order by milestones_on_time)
            as value_rank,
        percent_rank() over (partition by industry, as_of, breadth is null order by breadth) as breadth_rank,
        percent_rank() over (partition by industry, as_of, depth is null order by depth) as depth_rank,
        percent_rank() over (partition by industry, as_of, active_seat_share is null order by active_seat_share)
            as spread_rank,
        percent_rank() over (partition by industry, as_of order by days_as_customer) as tenure_rank
    from figures
),

judged as (
    select
        *,
        days_as_customer >= 365 as is_long_enough,
        coalesce(last_band = 'green' and band_since <= as_of - 90, false) as is_green,
        coalesce(coverage >= 0.8, false) as is_covered,
        coalesce(milestones_on_time >= 0.7, false) or has_expanded as has_value,
        coalesce(breadth_rank >= 2.0 / 3 and breadth is not null, false) as is_broad,
        coalesce(depth_rank >= 2.0 / 3 and depth is not null, false) as is_deep,
        coalesce(n_open_urgent_tickets, 0) = 0 as has_no_urgent_ticket,
        coalesce(nps_median >= 9 or good_rating_share >= 0.95, nps_median is null and good_rating_share is null)
            as is_satisfied
    from ranked
)

select
    account_key,
    as_of,
    industry,
    tier,
    cast(n_customers as integer) as n_customers,
    case when milestones_on_time is not null then value_rank end as value_percentile,
    case when breadth is not null then breadth_rank end as breadth_percentile,
    case when depth is not null then depth_rank end as depth_percentile,
    case when active_seat_share is not null then spread_rank end as spread_percentile,
    tenure_rank as tenure_percentile,
    days_as_customer,
    milestones_on_time,
    breadth,
    depth,
    active_seat_share,
    band_since,
    coverage,
    nps_median,
    good_rating_share,
    is_long_enough,
    is_green,
    is_covered,
    has_value,
    is_broad,
    is_deep,
    has_no_urgent_ticket,
    is_satisfied,
    is_long_enough and is_green and is_covered and has_value and is_broad and is_deep and has_no_urgent_ticket
    and is_satisfied as is_candidate
from judged
