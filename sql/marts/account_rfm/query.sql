-- Purpose: recency, frequency and money of the accounts that nobody looks after one by one, as scores from 1 to 5.
-- Grain: account and month end. Inputs: account days, attribute steps, usage of 28 days, product starts, usage gaps,
-- invoices, rates. Window: month ends on days [start, end), completed months. Reads the 84 days before.
-- Caveats: customers of the tiers small and self_serve. A score is 5 - floor(5 x accounts that are better / accounts
-- with the figure); ties share the better one. Recency ends at 84 days. Accounts whose use is not known over these days
-- have no recency and frequency; without dated payments in the CRM, or with one of no day, amount or rate, no money.
with customers as (
    select d.account_key, d.day as as_of
    from marts.account_day as d
    join meta.calendar as c on c.day = d.day and c.is_month_end
    where d.day >= :start
        and d.day < :end
        and d.day < cast(:newest as date)
        and d.is_customer
),

attribute_steps as (
    select account_key, from_day, tier, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
),

grid as (
    select m.account_key, m.as_of, s.tier
    from customers as m
    join attribute_steps as s
        on s.account_key = m.account_key and m.as_of >= s.from_day and (s.to_day is null or m.as_of < s.to_day)
    where s.tier in ('small', 'self_serve')
),

known as (
    select g.account_key, g.as_of
    from grid as g
    join core.product_start as p on p.account_key = g.account_key and p.first_day <= g.as_of - 83
    left join core.usage_gap as x on x.account_key = g.account_key
    where x.from_day is null or x.from_day > g.as_of
),

active_days as (
    select account_key, day from core.usage_28d
    where day >= cast(:start as date) - 84
        and day < :end
        and n_active_users > 0
),

usage as (
    select
        k.account_key,
        k.as_of,
        least(k.as_of - max(u.day), 84) as recency_days,
        count(u.day) as n_active_days
    from known as k
    left join active_days as u
        on u.account_key = k.account_key and u.day <= k.as_of and u.day > k.as_of - 84
    group by k.account_key, k.as_of
),

-- A CRM without a single dated payment says nothing about money.
with_payments as (
    select distinct source from staging.stg_crm__invoice
    where not is_deleted and status = 'paid' and paid_on is not null
),

payments as (
    select b.account_key, i.paid_on, i.issued_on, i.amount * r.rate as amount
    from staging.stg_crm__invoice as i
    join core.account_bridge as b on b.source = i.source and b.source_id = i.account_id
    left join meta.plan_rate as r
        on r.currency = coalesce(i.currency, cast(:currency as text))
        and i.paid_on >= r.from_day
        and i.paid_on < r.to_day
    where not i.is_deleted
        and i.status = 'paid'
        and (i.paid_on is null or (i.paid_on < :end and i.paid_on > cast(:start as date) - 365))
),

money as (
    select
        g.account_key,
        g.as_of,
        case when count(*) filter (where p.account_key is not null and p.amount is null) = 0
            then coalesce(sum(p.amount), 0)
        end as paid
    from grid as g
    join with_payments as w on w.source = split_part(g.account_key, ':', 1)
    left join payments as p
        on p.account_key = g.account_key
        and case
            when p.paid_on is null then coalesce(p.issued_on <= g.as_of, true)
            else p.paid_on <= g.as_of and p.paid_on > g.as_of - 365
        end
    group by g.account_key, g.as_of
),

figures as (
    select
        g.account_key,
        g.as_of,
        g.tier,
        case when u.as_of is not null then coalesce(u.recency_days, 84) end as recency_days,
        u.n_active_days,
        m.paid
    from grid as g
    left join usage as u on u.account_key = g.account_key and u.as_of = g.as_of
    left join money as m on m.account_key = g.account_key and m.as_of = g.as_of
),

ranked as (
    select
        *,
        rank() over (partition by as_of order by recency_days nulls last) - 1 as n_fresher,
        rank() over (partition by as_of order by n_active_days desc nulls last) - 1 as n_busier,
        rank() over (partition by as_of order by paid desc nulls last) - 1 as n_richer,
        count(recency_days) over (partition by as_of) as n_used,
        count(paid) over (partition by as_of) as n_paying
    from figures
)

select
    account_key,
    as_of,
    tier,
    cast(recency_days as integer) as recency_days,
    cast(n_active_days as integer) as n_active_days,
    cast(paid as numeric(18, 2)) as paid,
    case when recency_days is not null then cast(5 - floor(5.0 * n_fresher / n_used) as integer) end as recency,
    case when n_active_days is not null then cast(5 - floor(5.0 * n_busier / n_used) as integer) end as frequency,
    case when paid is not null then cast(5 - floor(5.0 * n_richer / n_paying) as integer) end as money
from ranked
