-- Purpose: snapshot of a renewal when its period closed, and its forecast 90 and 30 days before it was due.
-- Grain: renewal and checkpoint. Inputs: renewals due, periods, probabilities. Window: checkpoints on [start, end).
-- Caveats: rows are written once, on their day, and never changed. A period closes on the third working day after its
-- last day. Rows from before the first build are backfilled from the CRM's dates, marked by days_after.
with due as (
    select * from marts.renewal_due
),

working_days as (
    select day, sum(case when is_working_day then 1 else 0 end) over (order by day) as n
    from meta.calendar
    where day >= cast(:start as date) - 14 and day < :end
),

closes as (
    select p.period, p.period_start, p.as_of, min(w.day) as frozen_on
    from meta.period as p
    join working_days as e on e.day = p.as_of
    join working_days as w on w.n = e.n + 3
    where p.period <> 'day'
    group by p.period, p.period_start, p.as_of
),

checkpoints as (
    select d.*, c.period as checkpoint, c.frozen_on
    from due as d
    join closes as c on d.due_date >= c.period_start and d.due_date <= c.as_of
    union all
    select d.*, 't90', d.due_date - 90 from due as d where d.due_date - 90 >= d.term_start
    union all
    select d.*, 't30', d.due_date - 30 from due as d where d.due_date - 30 >= d.term_start
),

unsettled as (
    select probability from meta.forecast_category where stage = ''
)

select
    d.renewal_id,
    d.account_key,
    d.checkpoint,
    d.frozen_on,
    d.due_date,
    d.owner_key,
    d.tier,
    d.industry,
    d.region,
    d.target_arr,
    case when d.settled_on <= d.frozen_on then d.part else 'open' end as part,
    cast(
        case
            when d.settled_on <= d.frozen_on then d.forecast_arr
            when d.part = 'open' then d.forecast_arr
            else d.target_arr * u.probability
        end
        as numeric(18, 2)
    ) as forecast_arr,
    cast(cast(:newest as date) - d.frozen_on as integer) as days_after
from checkpoints as d
cross join unsettled as u
where d.frozen_on >= :start
    and d.frozen_on < :end
    and d.frozen_on <= :newest
