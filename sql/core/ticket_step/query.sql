-- Purpose: which status a ticket had when, by account: backlog at the close of a day, reopenings.
-- Grain: ticket and step. Inputs: ticket events, tickets, and the tags of the desk's tickets. Window: none.
-- Caveats: steps have no end, so that a new one does not alter the one before; a ticket without events has a step at
-- its creation and, where it is solved, one at its last solution.
with tickets as (
    select * from core.ticket
    where not is_deleted
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

events as (
    select * from core.ticket_event
    where event_type = 'status' and new_value is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

tagged as (
    select source, ticket_id from staging.stg_support__ticket
    where ',' || tags || ',' like '%,closed_by_merge,%'
),

told as (
    select ticket_key, account_key, new_value as status, happened_at as from_at, sequence, false as is_derived
    from events
),

derived as (
    select t.ticket_key, t.account_key, 'new' as status, t.created_at as from_at, 1 as sequence, true as is_derived
    from tickets as t
    where not exists (select 1 from events as e where e.ticket_key = t.ticket_key)
    union all
    select t.ticket_key, t.account_key, t.status, t.solved_at, 2, true
    from tickets as t
    where t.solved_at is not null
        and not exists (select 1 from events as e where e.ticket_key = t.ticket_key)
),

every_step as (
    select * from told
    union all
    select * from derived
),

ordered as (
    select
        *,
        row_number() over (partition by ticket_key order by from_at, sequence) as step,
        lag(status) over (partition by ticket_key order by from_at, sequence) as previous_status,
        lag(from_at) over (partition by ticket_key order by from_at, sequence) as previous_at
    from every_step
),

steps as (
    select
        *,
        status in ('new', 'open', 'pending', 'hold') and previous_status in ('solved', 'closed') as is_reopening
    from ordered
    where previous_status is null or previous_status <> status
),

dated as (
    select
        *,
        cast(from_at at time zone :zone as date) as from_day,
        case when is_reopening then previous_at end as solved_at,
        case when is_reopening then cast(previous_at at time zone :zone as date) end as solved_day
    from steps
)

select
    d.ticket_key,
    row_number() over (partition by d.ticket_key order by d.step) as step,
    d.account_key,
    d.status,
    d.from_at,
    d.from_day,
    d.status in ('new', 'open', 'pending', 'hold') as is_open,
    coalesce(d.is_reopening, false) as is_reopening,
    d.solved_at,
    d.solved_day,
    coalesce(d.solved_day, d.from_day) as affected_day,
    m.ticket_id is not null as is_merged,
    d.is_derived
from dated as d
join tickets as t on t.ticket_key = d.ticket_key
left join tagged as m on m.source = t.source and m.ticket_id = t.ticket_id
