-- Purpose: a month of an account in one row: state, ARR movements, usage and support.
-- Grain: account and month. Inputs: account days, movements, renewals due, tickets, periods.
-- Window: months that end on days [start, end).
-- Caveats: completed months only. A value without a connected source is null. The bridge closes per account.
with months as (
    select as_of, period_start, before_start from meta.period
    where period = 'month'
        and as_of >= :start and as_of < :end
        and as_of < cast(:newest as date)
),

days as (
    select *, case when arr is not null then 0 end as nothing from marts.account_day
    where day >= :start and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

movements as (
    select * from marts.arr_movement
    where day >= cast(:start as date) - 31 and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

renewals as (
    select * from marts.renewal_due
    where due_date >= cast(:start as date) - 31 and due_date < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

tickets as (
    select * from core.ticket
    where not is_deleted
        and (created_day >= cast(:start as date) - 31 or solved_day >= cast(:start as date) - 31)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

moved as (
    select
        x.account_key,
        p.as_of,
        sum(x.new_arr) as new_arr,
        sum(x.reactivation_arr) as reactivation_arr,
        sum(x.expansion_arr) as expansion_arr,
        sum(x.expansion_contracted_arr) as expansion_contracted_arr,
        sum(x.contraction_arr) as contraction_arr,
        sum(x.churn_arr) as churn_arr,
        sum(x.bucket_change_arr) as bucket_change_arr,
        sum(coalesce(x.fx_arr, 0)) as fx_arr,
        sum(coalesce(x.transfer_arr, 0)) as transfer_arr
    from months as p
    join movements as x on x.day >= p.period_start and x.day <= p.as_of
    group by x.account_key, p.as_of
),

due as (
    select
        x.account_key,
        p.as_of,
        count(*) as n_due,
        sum(x.target_arr) as target_arr,
        sum(coalesce(x.renewed_arr, x.renewed_of_target_arr, 0)) as renewed_arr
    from months as p
    join renewals as x on x.due_date >= p.period_start and x.due_date <= p.as_of
    group by x.account_key, p.as_of
),

served as (
    select
        x.account_key,
        p.as_of,
        count(case when x.created_day >= p.period_start and x.created_day <= p.as_of then 1 end) as n_created,
        count(case when x.solved_day >= p.period_start and x.solved_day <= p.as_of then 1 end) as n_solved
    from months as p
    join tickets as x
        on x.created_day <= p.as_of and (x.created_day >= p.period_start or x.solved_day >= p.period_start)
    group by x.account_key, p.as_of
)

select
    d.account_key,
    d.day as as_of,
    p.period_start as month_start,
    d.owner_key,
    d.tier,
    d.industry,
    d.region,
    d.arr - coalesce(m.new_arr + m.reactivation_arr + m.expansion_arr - m.contraction_arr - m.churn_arr
        + m.bucket_change_arr + m.fx_arr + m.transfer_arr, 0) as arr_start,
    coalesce(m.new_arr, d.nothing) as new_arr,
    coalesce(m.reactivation_arr, d.nothing) as reactivation_arr,
    coalesce(m.expansion_arr, d.nothing) as expansion_arr,
    coalesce(m.expansion_contracted_arr, d.nothing) as expansion_contracted_arr,
    coalesce(m.contraction_arr, d.nothing) as contraction_arr,
    coalesce(m.churn_arr, d.nothing) as churn_arr,
    coalesce(m.bucket_change_arr, d.nothing) as bucket_change_arr,
    coalesce(m.fx_arr, d.nothing) as fx_arr,
    coalesce(m.transfer_arr, d.nothing) as transfer_arr,
    d.arr as arr_end,
    d.kept_arr as kept_arr_end,
    d.kept_arr_12m_ago,
    cast(coalesce(r.n_due, d.nothing) as integer) as n_renewals_due,
    coalesce(r.target_arr, d.nothing) as target_arr,
    coalesce(r.renewed_arr, d.nothing) as renewed_arr,
    d.usage_28d,
    d.active_users_28d,
    d.usage_ratio,
    d.seat_utilisation,
    d.n_open_tickets,
    case when d.n_open_tickets is not null then cast(coalesce(t.n_created, 0) as integer) end as n_tickets_created,
    case when d.n_open_tickets is not null then cast(coalesce(t.n_solved, 0) as integer) end as n_tickets_solved
from days as d
join months as p on p.as_of = d.day
left join moved as m on m.account_key = d.account_key and m.as_of = d.day
left join due as r on r.account_key = d.account_key and r.as_of = d.day
left join served as t on t.account_key = d.account_key and t.as_of = d.day
