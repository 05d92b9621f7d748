-- Purpose: the teams of an account that use the product, without a row per day.
-- Grain: account, team and day of change. Inputs: usage per day, users, calendar.
-- Window: days [start, end); reads the 28 days before.
-- Caveat: a team is active if at least 3 of its users had a value event in the last 28 days. A row says from which day
-- on the team is active, or no longer active.
with users as (
    select * from core.product_user
    where team is not null and not is_bot
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

user_days as (
    select
        u.account_key,
        p.team,
        c.day_no,
        lead(c.day_no) over (partition by u.account_key, u.user_key order by c.day_no) as next_day_no
    from core.usage_day as u
    join meta.calendar as c on c.day = u.day
    join users as p on p.user_key = u.user_key and p.account_key = u.account_key
    where u.is_value_event
        and u.day >= cast(:start as date) - 28
        and u.day < :end
        and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
    group by u.account_key, u.user_key, p.team, c.day_no
),

edges as (
    select account_key, team, day_no, sum(n) as n
    from (
        select account_key, team, day_no, 1 as n from user_days
        union all
        select account_key, team, least(day_no + 28, coalesce(next_day_no, day_no + 28)), -1 from user_days
    ) as e
    group by account_key, team, day_no
),

totals as (
    select
        account_key,
        team,
        day_no,
        n,
        sum(n) over (partition by account_key, team order by day_no rows unbounded preceding) as n_users
    from edges
)

select
    t.account_key,
    t.team,
    c.day,
    t.n_users >= 3 as is_active
from totals as t
join meta.calendar as c on c.day_no = t.day_no
where c.day >= :start and c.day < :end
    and (t.n_users >= 3) <> (t.n_users - t.n >= 3)
