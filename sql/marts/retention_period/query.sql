-- Purpose: the sums behind ARR, NRR, GRR, churn and expansion.
-- Grain: period and group. Inputs: ARR and attribute steps, movements, overage, periods. Window: periods that end on
-- days [start, end).
-- Caveats: an account belongs to its group at the period's end. Weeks, months and quarters appear once they are over.
-- The lower of K and K a year before is taken per account, then summed.
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

movements as (
    select * from marts.arr_movement where day < :end
),

members as (
    select p.*, a.account_key
    from periods as p
    cross join (select account_key from core.arr_step union select account_key from core.overage) as a
),

returned as (
    select distinct p.period, p.as_of, m.account_key
    from periods as p
    join movements as m on m.day > p.day_12m_ago and m.day <= p.as_of
    where m.movement = 'reactivation'
),

moved as (
    select
        p.period,
        p.as_of,
        m.account_key,
        sum(m.new_arr) as new_arr,
        sum(m.reactivation_arr) as reactivation_arr,
        sum(m.expansion_arr) as expansion_arr,
        sum(m.expansion_contracted_arr) as expansion_contracted_arr,
        sum(m.contraction_arr) as contraction_arr,
        sum(m.churn_arr) as churn_arr,
        sum(m.bucket_change_arr) as bucket_change_arr,
        sum(coalesce(m.fx_arr, 0)) as fx_arr,
        sum(m.transfer_arr) as transfer_arr
    from periods as p
    join movements as m on m.day >= p.period_start and m.day <= p.as_of
    group by p.period, p.as_of, m.account_key
),

-- ARR that moved between accounts since a year before: rates over twelve months leave it with its account of that day.
transferred as (
    select p.period, p.as_of, m.account_key, sum(m.transfer_arr) as transfer_arr
    from periods as p
    join movements as m on m.day > p.day_12m_ago and m.day <= p.as_of
    where m.transfer_arr <> 0
    group by p.period, p.as_of, m.account_key
),

overages as (
    select p.period, p.as_of, x.account_key, sum(x.overage_amount) as overage_amount
    from periods as p
    join core.overage as x on x.day >= p.period_start and x.day <= p.as_of
    group by p.period, p.as_of, x.account_key
),

per_account as (
    select
        x.*,
        coalesce(e.arr, 0) as arr,
        coalesce(e.pending_late_arr, 0) as pending_late_arr,
        coalesce(e.suspected_deleted_arr, 0) as suspected_deleted_arr,
        coalesce(e.kept_arr, 0) as kept_arr,
        coalesce(b.arr, 0) as arr_start,
        coalesce(b.kept_arr, 0) as kept_arr_start,
        coalesce(y.kept_arr_next_rates, y.kept_arr, 0) as kept_arr_12m_ago,
        coalesce(m.fx_arr, 0) as fx_arr,
        coalesce(m.transfer_arr, 0) as transfer_arr,
        coalesce(t.transfer_arr, 0) as transferred_12m,
        nullif(e.paused_arr, 0) as paused_arr,
        coalesce(m.new_arr, 0) as new_arr,
        coalesce(m.reactivation_arr, 0) as reactivation_arr,
        coalesce(m.expansion_arr, 0) as expansion_arr,
        coalesce(m.expansion_contracted_arr, 0) as expansion_contracted_arr,
        coalesce(m.contraction_arr, 0) as contraction_arr,
        coalesce(m.churn_arr, 0) as churn_arr,
        coalesce(m.bucket_change_arr, 0) as bucket_change_arr,
        coalesce(v.overage_amount, 0) as overage_amount,
        r.account_key is not null as left_since
    from members as x
    left join arr_steps as e
        on e.account_key = x.account_key and x.as_of >= e.from_day and (e.to_day is null or x.as_of < e.to_day)
    left join arr_steps as b
        on b.account_key = x.account_key and x.before_start >= b.from_day
        and (b.to_day is null or x.before_start < b.to_day)
    left join arr_steps as y
        on y.account_key = x.account_key and x.day_12m_ago >= y.from_day
        and (y.to_day is null or x.day_12m_ago < y.to_day)
    left join moved as m on m.period = x.period and m.as_of = x.as_of and m.account_key = x.account_key
    left join transferred as t on t.period = x.period and t.as_of = x.as_of and t.account_key = x.account_key
    left join overages as v on v.period = x.period and v.as_of = x.as_of and v.account_key = x.account_key
    left join returned as r on r.period = x.period and r.as_of = x.as_of and r.account_key = x.account_key
),

grouped as (
    select x.*, g.grain, g.grain_key
    from per_account as x
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
    sum(arr_start) as arr_start,
    sum(new_arr) as new_arr,
    sum(reactivation_arr) as reactivation_arr,
    sum(expansion_arr) as expansion_arr,
    sum(contraction_arr) as contraction_arr,
    sum(churn_arr) as churn_arr,
    sum(bucket_change_arr) as bucket_change_arr,
    sum(fx_arr) as fx_arr,
    sum(transfer_arr) as transfer_arr,
    sum(arr) as arr_end,
    sum(pending_late_arr) as pending_late_arr,
    sum(suspected_deleted_arr) as suspected_deleted_arr,
    sum(paused_arr) as paused_arr,
    sum(kept_arr_start) as kept_arr_start,
    sum(kept_arr) as kept_arr_end,
    sum(expansion_contracted_arr) as expansion_contracted_arr,
    sum(case when kept_arr_start > 0 then expansion_arr - expansion_contracted_arr else 0 end)
        as expansion_of_start_arr,
    count(case when kept_arr_start > 0 and expansion_arr > expansion_contracted_arr then 1 end) as n_expanded,
    count(case when kept_arr_start > 0 then 1 end) as n_customers_start,
    count(case when kept_arr > 0 then 1 end) as n_customers_end,
    count(case when kept_arr_start > 0 and kept_arr <= 0 and transfer_arr >= 0 then 1 end) as n_lost,
    count(case when kept_arr_12m_ago > 0 then 1 end) as n_cohort,
    sum(case when kept_arr_12m_ago > 0 then kept_arr_12m_ago else 0 end) as cohort_arr_12m_ago,
    sum(case when kept_arr_12m_ago > 0 or transferred_12m > 0 then kept_arr - transferred_12m else 0 end) as cohort_arr,
    sum(
        case
            when kept_arr_12m_ago > 0 or transferred_12m > 0
                then least(kept_arr - transferred_12m, kept_arr_12m_ago)
            else 0
        end
    ) as cohort_least_arr,
    count(case when kept_arr_12m_ago > 0 and kept_arr <= 0 and transferred_12m >= 0 then 1 end) as n_cohort_lost,
    count(case when kept_arr_12m_ago > 0 and kept_arr > 0 and left_since then 1 end) as n_cohort_returned,
    cast(
        cast(:gross_margin as double precision) * cast(sum(kept_arr) as double precision)
        / 12 / nullif(count(case when kept_arr > 0 then 1 end), 0)
        as numeric(18, 2)
    ) as margin_per_customer_month,
    sum(overage_amount) as overage_amount,
    -- 12 / 52 months for a week, 12 / 365 for a day.
    cast(sum(churn_arr + contraction_arr) as double precision)
    / nullif(cast(sum(kept_arr_start) as double precision), 0)
    / max(case period when 'day' then 12.0 / 365 when 'week' then 12.0 / 52 when 'month' then 1 else 3 end)
        as monthly_revenue_churn
from grouped
group by period, period_start, as_of, grain, grain_key
