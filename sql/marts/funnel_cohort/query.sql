-- Purpose: how many of those who entered a stage in a month reached another one within 30, 90 or 180 days.
-- Grain: month, stage, next stage and days. Inputs: stage edges, calendar. Window: none.
-- Caveat: a cell is empty until the days of the month's last day are over: a young cohort is not judged.
with boxes as (
    select 30 as box_days
    union all
    select 90
    union all
    select 180
),

cohorts as (
    select e.*, c.month_start as cohort_month, l.day as last_day
    from core.stage_edge as e
    join meta.calendar as c on c.day = e.entered_on
    join meta.calendar as l on l.month_no = c.month_no and l.is_month_end
    where e.entered_on < cast(:newest as date)
)

select
    h.cohort_month,
    h.stage,
    h.next_stage,
    b.box_days,
    cast(count(*) as bigint) as n_entered,
    cast(
        case when h.last_day + b.box_days < cast(:newest as date)
            then sum(case when h.next_on <= h.entered_on + b.box_days then 1 else 0 end)
        end as bigint
    ) as n_reached
from cohorts as h
cross join boxes as b
group by h.cohort_month, h.last_day, h.stage, h.next_stage, b.box_days
