-- Purpose: what the leads of a month and channel cost, and what became of them.
-- Grain: attribution, channel and month of the lead. Inputs: prospects, ARR steps, channel costs, rates, calendar.
-- Window: none. Caveats: a prospect counts once per attribution; these do not add up. Won is customer within 180 days,
-- and empty until these are over for the whole month. Kept ARR covers accounts that have been customers for a year. A
-- channel without a cost row, or with one without a rate, has no cost, which is not 0.
with prospects as (
    select * from core.prospect
    where not was_customer and lead_on < cast(:newest as date)
),

attributed as (
    select 'first' as attribution, first_channel as channel, p.* from prospects as p
    union all
    select 'last', last_channel, p.* from prospects as p
    union all
    select 'campaign', campaign, p.* from prospects as p where campaign is not null
),

arr_steps as (
    select account_key, from_day, kept_arr, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.arr_step
),

won as (
    select
        p.prospect_key,
        a.kept_arr as first_arr,
        p.customer_from + 365 < cast(:newest as date) as is_year_over,
        coalesce(b.kept_arr, 0) as later_arr
    from prospects as p
    join arr_steps as a on a.account_key = p.account_key and a.from_day = p.customer_from
    left join arr_steps as b
        on b.account_key = p.account_key
        and p.customer_from + 365 >= b.from_day
        and (b.to_day is null or p.customer_from + 365 < b.to_day)
    where p.customer_from <= p.lead_on + 180 and p.customer_from < cast(:newest as date)
),

months as (
    select day, month_start, month_no from meta.calendar
),

month_ends as (
    select month_no, month_start, day as last_day from meta.calendar where is_month_end
),

grouped as (
    select
        t.attribution,
        t.channel,
        m.month_start as month,
        count(*) as n_leads,
        sum(case when t.qualified_on <= t.lead_on + 180 then 1 else 0 end) as n_qualified,
        count(w.prospect_key) as n_won,
        count(case when t.qualified_on <= t.lead_on + 180 then w.prospect_key end) as n_qualified_won,
        sum(w.first_arr) as first_arr,
        sum(case when w.is_year_over then 1 else 0 end) as n_year_over,
        sum(case when w.is_year_over then w.first_arr end) as arr_a_year_ago,
        sum(case when w.is_year_over then w.later_arr end) as arr_kept
    from attributed as t
    join months as m on m.day = t.lead_on
    left join won as w on w.prospect_key = t.prospect_key
    group by t.attribution, t.channel, m.month_start
),

amounts as (
    select k.channel, k.campaign, m.month_start as month, k.amount * r.rate as amount
    from staging.stg_product__channel_cost as k
    join months as m on m.day = k.spent_on
    left join meta.plan_rate as r
        on r.currency = coalesce(k.currency, cast(:currency as text))
        and k.spent_on >= r.from_day
        and k.spent_on < r.to_day
    where not k.is_deleted and k.spent_on < cast(:newest as date)
),

costs as (
    select
        attribution,
        channel,
        month,
        case when count(*) = count(amount) then sum(amount) end as cost
    from (
        select 'first' as attribution, channel, month, amount from amounts
        union all
        select 'last', channel, month, amount from amounts
        union all
        select 'campaign', campaign, month, amount from amounts where campaign is not null
    ) as spent
    where channel is not null
    group by attribution, channel, month
)

select
    coalesce(g.attribution, k.attribution) as attribution,
    coalesce(g.channel, k.channel) as channel,
    coalesce(g.month, k.month) as month,
    e.last_day + 180 < cast(:newest as date) as is_over,
    cast(k.cost as numeric(18, 2)) as cost,
    cast(coalesce(g.n_leads, 0) as bigint) as n_leads,
    cast(case when e.last_day + 180 < cast(:newest as date) then coalesce(g.n_qualified, 0) end as bigint)
        as n_qualified,
    cast(case when e.last_day + 180 < cast(:newest as date) then coalesce(g.n_won, 0) end as bigint) as n_won,
    cast(case when e.last_day + 180 < cast(:newest as date) then coalesce(g.n_qualified_won, 0) end as bigint)
        as n_qualified_won,
    cast(case when e.last_day + 180 < cast(:newest as date) then coalesce(g.first_arr, 0) / 12 end as numeric(18, 2))
        as new_mrr,
    cast(coalesce(g.n_year_over, 0) as bigint) as n_year_over,
    cast(g.arr_a_year_ago as numeric(18, 2)) as arr_a_year_ago,
    cast(g.arr_kept as numeric(18, 2)) as arr_kept
from grouped as g
full join costs as k on k.attribution = g.attribution and k.channel = g.channel and k.month = g.month
join month_ends as e on e.month_start = coalesce(g.month, k.month)
