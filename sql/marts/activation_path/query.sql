-- Purpose: which features an account used, in which order, until its first value event.
-- Grain: account, on the day of its first value event. Inputs: accounts, activity steps, usage per day, product starts.
-- Window: days [start, end); reads the 27 days before. Caveats: features in the order of their first day in these 28
-- days; those of one day are joined by +. At most five days. Excluded accounts and those older than the loaded
-- usage have no row.
with firsts as (
    select account_key, min(day) as day
    from core.activity_step
    where is_active
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

excluded as (
    select account_key from core.account where is_excluded
),

oldest as (
    select min(first_day) as oldest_day from core.product_start
),

activations as (
    select f.account_key, f.day, p.first_day
    from firsts as f
    join core.product_start as p on p.account_key = f.account_key
    cross join oldest as o
    left join excluded as x on x.account_key = f.account_key
    where f.day >= :start
        and f.day < :end
        and p.first_day > o.oldest_day
        and x.account_key is null
),

first_uses as (
    select a.account_key, a.day, a.first_day, u.feature, min(u.day) as used_on
    from activations as a
    join core.usage_day as u on u.account_key = a.account_key and u.day <= a.day and u.day > a.day - 28
    where u.day > cast(:start as date) - 28 and u.day < :end
    group by a.account_key, a.day, a.first_day, u.feature
),

steps as (
    select
        account_key,
        day,
        first_day,
        used_on,
        string_agg(feature, '+' order by feature) as step,
        row_number() over (partition by account_key order by used_on) as step_no
    from first_uses
    group by account_key, day, first_day, used_on
)

select
    account_key,
    day,
    string_agg(step, ' > ' order by used_on) as path,
    cast(count(*) as integer) as n_steps,
    cast(day - first_day as integer) as days_to_activation
from steps
where step_no <= 5
group by account_key, day, first_day
