-- Purpose: the number of frequent users, and the roles among them.
-- Grain: account and day. Inputs: usage per day, users, product start, calendar.
-- Window: days [start, end); reads the 27 days before.
-- Caveats: frequent means at least 10 active days of 28. Roles and teams are known from the creation of their first
-- user. Each active day is added and subtracted 28 days later, in integers, as in core.usage_28d.
with usage as (
    select u.account_key, u.user_key, c.day_no
    from core.usage_day as u
    join meta.calendar as c on c.day = u.day
    where u.is_value_event
        and u.day >= cast(:start as date) - 27
        and u.day < :end
        and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
    group by u.account_key, u.user_key, c.day_no
),

users as (
    select * from core.product_user
    where not is_bot and not is_deleted
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

product_starts as (
    select * from core.product_start
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

gaps as (
    select * from core.usage_gap
),

calendar as (
    select * from meta.calendar where day >= :start and day < :end
),

first_day as (
    select min(day_no) as day_no from calendar
),

-- A user's active days of the last 28, with a row per change of the number.
user_edges as (
    select account_key, user_key, day_no, cast(sum(n) as integer) as n
    from (
        select account_key, user_key, day_no, 1 as n from usage
        union all
        select account_key, user_key, day_no + 28, -1 from usage
    ) as e
    group by account_key, user_key, day_no
),

user_totals as (
    select
        account_key,
        user_key,
        day_no,
        n,
        sum(n) over (partition by account_key, user_key order by day_no rows unbounded preceding) as n_days
    from user_edges
),

deep_edges as (
    select account_key, day_no, cast(sum(case when n > 0 then 1 else -1 end) as integer) as n_deep
    from user_totals
    where (n_days >= 10 and n_days - n < 10) or (n_days < 10 and n_days - n >= 10)
    group by account_key, day_no
),

role_days as (
    select
        u.account_key,
        p.role,
        u.day_no,
        lead(u.day_no) over (partition by u.account_key, p.role order by u.day_no) as next_day_no
    from usage as u
    join users as p on p.user_key = u.user_key and p.account_key = u.account_key
    where p.role is not null
    group by u.account_key, p.role, u.day_no
),

known as (
    select r.account_key, c.day_no, r.n_roles, r.n_teams
    from (
        select account_key, min(created_day) as day, 1 as n_roles, 0 as n_teams
        from users
        where role is not null
        group by account_key, role
        union all
        select account_key, min(created_day), 0, 1
        from users
        where team is not null
        group by account_key, team
    ) as r
    join meta.calendar as c on c.day = r.day
),

-- An account's first row: earlier facts count from there on.
first_rows as (
    select p.account_key, greatest(c.day_no, f.day_no) as day_no
    from product_starts as p
    join meta.calendar as c on c.day = p.first_day
    cross join first_day as f
),

deltas as (
    select account_key, day_no, n_deep, 0 as n_roles_active, 0 as n_roles, 0 as n_teams from deep_edges
    union all
    select account_key, day_no, 0, 1, 0, 0 from role_days
    union all
    select account_key, least(day_no + 28, coalesce(next_day_no, day_no + 28)), 0, -1, 0, 0 from role_days
    union all
    select account_key, day_no, 0, 0, n_roles, n_teams from known
),

daily as (
    select
        d.account_key,
        greatest(d.day_no, f.day_no) as day_no,
        cast(sum(d.n_deep) as integer) as n_deep,
        cast(sum(d.n_roles_active) as integer) as n_roles_active,
        cast(sum(d.n_roles) as integer) as n_roles,
        cast(sum(d.n_teams) as integer) as n_teams
    from deltas as d
    join first_rows as f on f.account_key = d.account_key
    group by d.account_key, greatest(d.day_no, f.day_no)
)

select
    p.account_key,
    c.day,
    cast(coalesce(sum(d.n_deep) over w, 0) as integer) as n_deep_users,
    cast(coalesce(sum(d.n_roles_active) over w, 0) as integer) as n_roles_active,
    cast(coalesce(sum(d.n_roles) over w, 0) as integer) as n_roles_known,
    cast(coalesce(sum(d.n_teams) over w, 0) as integer) as n_teams_known
from product_starts as p
join calendar as c on c.day >= p.first_day
left join gaps as x on x.account_key = p.account_key
left join daily as d on d.account_key = p.account_key and d.day_no = c.day_no
where x.from_day is null or c.day < x.from_day
window w as (partition by p.account_key order by c.day_no rows unbounded preceding)
