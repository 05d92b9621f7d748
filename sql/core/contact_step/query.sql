-- Purpose: role coverage by day.
-- Grain: account and day of change. Inputs: spans of contacts.
-- Window: none. Caveat: a contact counts for the account that it is in on the day.
with spans as (
    select * from core.contact_span
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

deltas as (
    select
        account_key,
        from_day as day,
        1 as n_contacts,
        cast(is_decision_maker as integer) as n_decision_makers,
        cast(is_champion as integer) as n_champions,
        cast(is_end_user as integer) as n_end_users,
        cast(is_veto as integer) as n_vetoes
    from spans
    union all
    select
        account_key,
        to_day,
        -1,
        -cast(is_decision_maker as integer),
        -cast(is_champion as integer),
        -cast(is_end_user as integer),
        -cast(is_veto as integer)
    from spans
    where to_day is not null
),

daily as (
    select
        account_key,
        day as from_day,
        sum(n_contacts) as n_contacts,
        sum(n_decision_makers) as n_decision_makers,
        sum(n_champions) as n_champions,
        sum(n_end_users) as n_end_users,
        sum(n_vetoes) as n_vetoes
    from deltas
    group by account_key, day
)

select
    account_key,
    from_day,
    cast(sum(n_contacts) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_contacts,
    cast(sum(n_decision_makers) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_decision_makers,
    cast(sum(n_champions) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_champions,
    cast(sum(n_end_users) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_end_users,
    cast(sum(n_vetoes) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_vetoes
from daily
where n_contacts <> 0 or n_decision_makers <> 0 or n_champions <> 0 or n_end_users <> 0 or n_vetoes <> 0
