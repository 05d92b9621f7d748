-- Purpose: competitors with the customers that name them, wins and losses. Grain: competitor.
-- Inputs: texts that name one, outcomes of deals, customers of the newest day. Window: 90 days for customers, 365 for
-- deals, up to the newest day.
-- Caveats: an account counts once. Won means that the customer stayed or came, not that it left the competitor.
with newest as (
    select max(as_of_day) as day from marts.act_account
),

ever as (
    select competitor, max(day) as last_named from core.competitor_text group by competitor
),

recent as (
    select distinct t.competitor, t.account_key
    from core.competitor_text as t
    cross join newest as n
    where t.day > n.day - 90 and t.day <= n.day
),

customers as (
    select
        r.competitor,
        count(*) as n_accounts,
        sum(a.arr) as arr,
        sum(case when a.days_to_decision <= 180 then a.arr else 0 end) as arr_due
    from recent as r
    join marts.act_account as a on a.account_key = r.account_key
    group by r.competitor
),

outcomes as (
    select
        o.competitor,
        sum(case when o.is_won then 1 else 0 end) as n_won,
        sum(case when o.is_won then 0 else 1 end) as n_lost,
        sum(case when o.is_lost_to then 1 else 0 end) as n_lost_to,
        sum(case when o.is_won then o.arr else 0 end) as arr_kept,
        sum(case when o.is_won then 0 else o.arr end) as arr_lost
    from marts.competitor_outcome as o
    cross join newest as n
    where o.closed_on > n.day - 365 and o.closed_on <= n.day
    group by o.competitor
)

select
    e.competitor,
    cast(coalesce(c.n_accounts, 0) as integer) as n_accounts,
    cast(c.arr as numeric(18, 2)) as arr,
    cast(c.arr_due as numeric(18, 2)) as arr_due,
    e.last_named,
    cast(coalesce(o.n_won, 0) as integer) as n_won,
    cast(coalesce(o.n_lost, 0) as integer) as n_lost,
    cast(case when h.has_reasons then coalesce(o.n_lost_to, 0) end as integer) as n_lost_to,
    cast(o.n_won as double precision) / (o.n_won + o.n_lost) as win_rate,
    cast(coalesce(o.arr_kept, 0) as numeric(18, 2)) as arr_kept,
    cast(coalesce(o.arr_lost, 0) as numeric(18, 2)) as arr_lost
from ever as e
cross join (
    select exists (select 1 from marts.competitor_outcome where lost_reason is not null) as has_reasons
) as h
left join customers as c on c.competitor = e.competitor
left join outcomes as o on o.competitor = e.competitor
