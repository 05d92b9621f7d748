-- Purpose: each solution of a ticket, and whether the ticket was reopened.
-- Grain: ticket and time solved. Inputs: tickets and their status events. Window: none.
-- Caveats: needs the desk's events. Closing a solved ticket is no second solution. A ticket closed by a merge into
-- another was not solved and is not here.
with tickets as (
    select * from core.ticket
    where not is_deleted and not is_merged
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

statuses as (
    select
        t.ticket_key,
        t.account_key,
        e.event_id,
        e.happened_at,
        e.new_value in ('solved', 'closed') as is_solved,
        lag(e.new_value in ('solved', 'closed')) over w as was_solved
    from tickets as t
    join staging.stg_support__ticket_event as e on e.source = t.source and e.ticket_id = t.ticket_id
    where e.event_type = 'status' and e.new_value is not null and e.happened_at is not null and not e.is_deleted
    window w as (partition by t.ticket_key order by e.happened_at, e.event_id)
),

changes as (
    select
        *,
        lead(happened_at) over (partition by ticket_key order by happened_at, event_id) as next_at
    from statuses
    where is_solved <> coalesce(was_solved, false)
)

select
    ticket_key,
    account_key,
    cast(row_number() over (partition by ticket_key order by happened_at, event_id) as integer) as solve_no,
    happened_at as solved_at,
    cast(happened_at at time zone :zone as date) as solved_day,
    next_at as reopened_at,
    coalesce(
        cast(next_at at time zone :zone as date) - cast(happened_at at time zone :zone as date) <= 14, false
    ) as is_reopened_in_14_days
from changes
where is_solved
