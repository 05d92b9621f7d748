-- Purpose: the sums behind the renewal rates.
-- Grain: period and group. Inputs: renewals due, their frozen rows, periods. Window: periods that end on days [start,
-- end).
-- Caveats: a renewal counts in the period of its due date, whenever it was closed. The components use current knowledge
-- (eventual). Those named frozen use the knowledge, and the groups, of the period's close. A group without a renewal
-- due has no row: its rate is not 0 but unknown.
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

frozen as (
    select * from marts.renewal_frozen where due_date < :end
),

forecasts as (
    select
        renewal_id,
        account_key,
        max(case when checkpoint = 't90' then forecast_arr end) as forecast_t90_arr,
        max(case when checkpoint = 't30' then forecast_arr end) as forecast_t30_arr
    from frozen
    where checkpoint in ('t90', 't30')
    group by renewal_id, account_key
),

members as (
    select
        p.period,
        p.period_start,
        p.as_of,
        false as is_frozen,
        x.owner_key,
        x.tier,
        x.industry,
        x.region,
        x.part,
        x.is_auto,
        x.is_early,
        x.days_late,
        x.target_arr,
        x.renewed_arr,
        x.renewed_of_target_arr,
        x.renewed_list_arr,
        x.forecast_arr,
        x.forecast_category,
        f.forecast_t90_arr,
        f.forecast_t30_arr
    from periods as p
    join due as x on x.due_date >= p.period_start and x.due_date <= p.as_of
    left join forecasts as f on f.renewal_id = x.renewal_id and f.account_key = x.account_key
    union all
    select
        p.period,
        p.period_start,
        p.as_of,
        true,
        x.owner_key,
        x.tier,
        x.industry,
        x.region,
        x.part,
        null,
        null,
        null,
        x.target_arr,
        null,
        null,
        null,
        null,
        null,
        null,
        null
    from periods as p
    join frozen as x on x.checkpoint = p.period and x.due_date >= p.period_start and x.due_date <= p.as_of
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
    count(case when not is_frozen then 1 end) as n_due,
    sum(case when is_frozen then 0 else target_arr end) as target_arr,
    sum(coalesce(renewed_arr, renewed_of_target_arr, 0)) as renewed_arr,
    sum(coalesce(renewed_of_target_arr, 0)) as renewed_of_target_arr,
    count(renewed_of_target_arr) as n_renewed,
    count(case when is_auto then 1 end) as n_auto,
    sum(case when is_auto then target_arr else 0 end) as auto_arr,
    count(case when is_early then 1 end) as n_early,
    count(case when part = 'on_time' and not is_frozen then 1 end) as n_on_time,
    count(case when part = 'in_grace' and not is_frozen then 1 end) as n_in_grace,
    count(case when part = 'after_grace' and not is_frozen then 1 end) as n_after_grace,
    count(case when part = 'lost' and not is_frozen then 1 end) as n_lost,
    count(case when part = 'open' and not is_frozen then 1 end) as n_open,
    sum(case when part = 'on_time' and not is_frozen then target_arr else 0 end) as on_time_arr,
    sum(case when part = 'in_grace' and not is_frozen then target_arr else 0 end) as in_grace_arr,
    sum(case when part = 'after_grace' and not is_frozen then target_arr else 0 end) as after_grace_arr,
    sum(case when part = 'lost' and not is_frozen then target_arr else 0 end) as lost_arr,
    sum(case when part = 'open' and not is_frozen then target_arr else 0 end) as open_arr,
    sum(case when is_early then target_arr else 0 end) as early_arr,
    count(case when is_frozen then 1 end) as n_due_frozen,
    sum(case when is_frozen then target_arr end) as target_frozen_arr,
    sum(case when is_frozen then case when part = 'on_time' then target_arr else 0 end end) as on_time_frozen_arr,
    count(case when is_frozen and part = 'on_time' then 1 end) as n_on_time_frozen,
    sum(case when renewed_list_arr > 0 then renewed_list_arr end) as renewed_list_arr,
    sum(case when renewed_list_arr > 0 then renewed_list_arr - renewed_arr end) as discount_arr,
    count(case when renewed_list_arr > 0 then 1 end) as n_with_list,
    sum(forecast_arr) as forecast_arr,
    sum(case when forecast_category = 'committed_churn' then target_arr else 0 end) as committed_churn_arr,
    count(forecast_t90_arr) as n_forecast_t90,
    sum(forecast_t90_arr) as forecast_t90_arr,
    sum(case when forecast_t90_arr is not null then coalesce(renewed_of_target_arr, 0) end) as actual_t90_arr,
    abs(sum(forecast_t90_arr) - sum(case when forecast_t90_arr is not null then coalesce(renewed_of_target_arr, 0) end))
        as error_t90_arr,
    count(forecast_t30_arr) as n_forecast_t30,
    sum(forecast_t30_arr) as forecast_t30_arr,
    sum(case when forecast_t30_arr is not null then coalesce(renewed_of_target_arr, 0) end) as actual_t30_arr,
    abs(sum(forecast_t30_arr) - sum(case when forecast_t30_arr is not null then coalesce(renewed_of_target_arr, 0) end))
        as error_t30_arr,
    percentile_cont(0.5) within group (order by days_late) as median_days_late,
    cast(sum(days_late) as bigint) as days_late
from grouped
group by period, period_start, as_of, grain, grain_key
