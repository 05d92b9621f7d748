-- Purpose: paid and activated seats on any day.
-- Grain: account and day. Inputs: seat counts of the product, the bridge, calendar. Window: days [start, end); reads
-- the 27 days before.
-- Caveat: a day without its own count has the last one. Paid seats over 28 days are the mean of the counted days.
with seats as (
    select * from staging.stg_product__seat_day
    where day >= cast(:start as date) - 27
        and day < :end
        and not is_deleted
),

bridge as (
    select * from core.account_bridge
),

calendar as (
    select * from meta.calendar where day >= cast(:start as date) - 27 and day < :end
),

counted as (
    select
        b.account_key,
        s.day,
        cast(sum(s.n_paid_seats) as bigint) as n_paid_seats,
        cast(sum(s.n_activated_seats) as bigint) as n_activated_seats
    from seats as s
    join bridge as b on b.source = s.source and b.source_id = s.product_account_id
    where b.account_key is not null
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    group by b.account_key, s.day
),

accounts as (
    select distinct account_key from counted
),

grid as (
    select a.account_key, c.day, s.n_paid_seats, s.day as counted_day
    from accounts as a
    cross join calendar as c
    left join counted as s on s.account_key = a.account_key and s.day = c.day
),

-- The last count is carried forward one day at a time; otherwise each of 28 days would be read 28 times.
looked_back as (
    select
        account_key,
        day,
        max(counted_day) over (partition by account_key order by day rows unbounded preceding) as last_day,
        avg(n_paid_seats) over (partition by account_key order by day rows between 27 preceding and current row)
            as paid_seats_28d
    from grid
)

select
    l.account_key,
    l.day,
    c.n_paid_seats,
    c.n_activated_seats,
    cast(l.paid_seats_28d as numeric(18, 2)) as paid_seats_28d
from looked_back as l
join counted as c on c.account_key = l.account_key and c.day = l.last_day
where l.day >= :start
    and l.last_day > l.day - 28
