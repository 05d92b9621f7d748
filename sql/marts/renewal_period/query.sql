-- Purpose: the sums behind the renewal rates.
-- Grain: period and group. Inputs: renewals due, periods. Window: periods that end on days [start, end).
-- Caveats: a renewal counts in the period of its due date, whenever it was closed; the parts are as known now
-- (eventual). A group without a renewal due has no row: its rate is not 0 but unknown.
with periods as (
    select p.*, c.day_12m_ago
    from meta.period as p
    join meta.calendar as c on c.day = p.as_of
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
),

due as (
    select * from marts.renewal_due where due_date < :end
),

grouped as (
    select
        p.period,
        p.period_start,
        p.as_of,
        g.grain,
        case g.grain
            when 'all' then 'all'
            when 'tier' then coalesce(x.tier, 'unknown')
            when 'csm' then coalesce(x.owner_key, 'unknown')
            when 'industry' then coalesce(x.industry, 'unknown')
            else coalesce(x.region, 'unknown')
        end as grain_key,
        x.*
    from periods as p
    join due as x on x.due_date >= p.period_start and x.due_date <= p.as_of
    join meta.grain as g on g.grain = 'all' or p.period <> 'day'
)

select
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    count(*) as n_due,
    sum(target_arr) as target_arr,
    sum(coalesce(renewed_arr, 0)) as renewed_arr,
    sum(coalesce(renewed_of_target_arr, 0)) as renewed_of_target_arr,
    count(renewed_arr) as n_renewed,
    count(case when is_auto then 1 end) as n_auto,
    sum(case when is_auto then target_arr else 0 end) as auto_arr,
    count(case when is_early then 1 end) as n_early,
    count(case when part = 'on_time' then 1 end) as n_on_time,
    count(case when part = 'in_grace' then 1 end) as n_in_grace,
    count(case when part = 'after_grace' then 1 end) as n_after_grace,
    count(case when part = 'lost' then 1 end) as n_lost,
    count(case when part = 'open' then 1 end) as n_open,
    sum(on_time_arr) as on_time_arr,
    sum(in_grace_arr) as in_grace_arr,
    sum(after_grace_arr) as after_grace_arr,
    sum(lost_arr) as lost_arr,
    sum(open_arr) as open_arr
from grouped
group by period, period_start, as_of, grain, grain_key
