-- Purpose: the figures of support. Grain: period and group.
-- Inputs: tickets, attribute steps, periods. Window: periods that end on days [start, end).
-- Caveats: first replies are those of the tickets created in the period, resolutions of those solved in it; unanswered
-- tickets are counted, not averaged. Reopening within 14 days needs ticket events and is not built. Times are calendar
-- minutes; business minutes stand beside them where the desk tells them.
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

tickets as (
    select * from core.ticket
    where not is_deleted
        and created_day < :end
        and (
            solved_day is null
            or solved_day >= cast(:start as date) - 92
            or rated_day >= cast(:start as date) - 92
            or created_day >= cast(:start as date) - 92
        )
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
        t.created_day >= p.period_start as is_created,
        t.solved_day >= p.period_start and t.solved_day <= p.as_of as is_solved,
        t.solved_day is null or t.solved_day > p.as_of as is_open,
        t.rated_day >= p.period_start and t.rated_day <= p.as_of as is_rated,
        t.priority,
        t.rating,
        t.first_reply_minutes,
        t.first_reply_business_minutes,
        t.full_resolution_minutes
    from periods as p
    join tickets as t
        on t.created_day <= p.as_of
        and (
            t.created_day >= p.period_start
            or t.solved_day is null
            or t.solved_day >= p.period_start
            or t.rated_day >= p.period_start
        )
    join attribute_steps as s
        on s.account_key = t.account_key and p.as_of >= s.from_day and (s.to_day is null or p.as_of < s.to_day)
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
    count(case when is_created then 1 end) as n_created,
    count(case when is_solved then 1 end) as n_solved,
    count(case when is_open then 1 end) as n_open,
    count(case when is_open and priority = 'urgent' then 1 end) as n_open_urgent,
    count(case when is_created then first_reply_minutes end) as n_replied,
    count(case when is_created and first_reply_minutes is null then 1 end) as n_unanswered,
    cast(sum(case when is_created then first_reply_minutes end) as bigint) as first_reply_minutes,
    percentile_cont(0.5) within group (order by case when is_created then first_reply_minutes end)
        as median_first_reply_minutes,
    percentile_cont(0.5) within group (order by case when is_created then first_reply_business_minutes end)
        as median_first_reply_business_minutes,
    count(case when is_solved then full_resolution_minutes end) as n_resolved,
    cast(sum(case when is_solved then full_resolution_minutes end) as bigint) as full_resolution_minutes,
    percentile_cont(0.5) within group (order by case when is_solved then full_resolution_minutes end)
        as median_full_resolution_minutes,
    count(case when is_rated and rating = 'good' then 1 end) as n_good,
    count(case when is_rated and rating = 'bad' then 1 end) as n_bad
from grouped
group by period, period_start, as_of, grain, grain_key
