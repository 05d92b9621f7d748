-- Purpose: retention of each month's new customers in each later month.
-- Grain: cohort, month and group. Inputs: ARR and attribute steps, calendar, periods. Window: months that end on days
-- [start, end).
-- Caveats: an account's cohort is the month in which it first was a customer; month 0 is that month's end. A month
-- appears once it is over, so later months of young cohorts have no row yet. Grouped as of the month's end.
with periods as (
    select p.*
    from meta.period as p
    where p.as_of >= :start and p.as_of < :end
        and p.period = 'month' and p.as_of < cast(:newest as date)
),

arr_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.arr_step
),

cohorts as (
    select f.account_key, e.day as cohort_end, e.month_start as cohort_month, e.month_no
    from (select account_key, min(from_day) as day from arr_steps where kept_arr > 0 group by account_key) as f
    join meta.calendar as c on c.day = f.day
    join meta.calendar as e on e.month_no = c.month_no and e.is_month_end
),

members as (
    select
        p.period,
        p.period_start,
        p.as_of,
        c.cohort_month,
        m.month_no - c.month_no as month_k,
        c.account_key,
        coalesce(b.kept_arr, 0) as kept_arr_0,
        coalesce(a.kept_arr, 0) as kept_arr
    from periods as p
    join meta.calendar as m on m.day = p.as_of
    join cohorts as c on c.cohort_end <= p.as_of
    left join arr_steps as a
        on a.account_key = c.account_key and p.as_of >= a.from_day and (a.to_day is null or p.as_of < a.to_day)
    left join arr_steps as b
        on b.account_key = c.account_key and c.cohort_end >= b.from_day
        and (b.to_day is null or c.cohort_end < b.to_day)
),

grouped as (
    select x.*, g.grain, g.grain_key
    from members as x
    join core.account_group as g
        on g.account_key = x.account_key
        and x.as_of >= g.from_day and (g.to_day is null or x.as_of < g.to_day)
)

select
    period,
    period_start,
    as_of,
    cohort_month,
    grain,
    grain_key,
    cast(max(month_k) as integer) as month_k,
    count(case when kept_arr_0 > 0 then 1 end) as n_0,
    count(case when kept_arr > 0 then 1 end) as n_kept,
    sum(kept_arr_0) as kept_arr_0,
    sum(kept_arr) as kept_arr,
    sum(case when month_k = 6 then kept_arr end) as kept_arr_m6,
    sum(case when month_k = 12 then kept_arr end) as kept_arr_m12,
    sum(case when month_k = 6 then case when kept_arr > 0 then 1 else 0 end end) as n_kept_m6,
    sum(case when month_k = 12 then case when kept_arr > 0 then 1 else 0 end end) as n_kept_m12
from grouped
group by period, period_start, as_of, cohort_month, grain, grain_key
