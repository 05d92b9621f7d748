-- Purpose: what happened to tickets, with who did it, by account.
-- Grain: event. Inputs: desk ticket events, users, tickets by account. Window: none.
-- Caveats: a person's role is the one of today; events follow their ticket when it moves to another account.
with events as (
    select * from staging.stg_support__ticket_event where not is_deleted
),

users as (
    select * from staging.stg_support__user
),

tickets as (
    select * from core.ticket
    where not is_deleted
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
)

select
    e.source || ':' || e.event_id as event_key,
    t.account_key,
    t.ticket_key,
    e.happened_at,
    cast(e.happened_at at time zone :zone as date) as day,
    e.event_type,
    e.old_value,
    e.new_value,
    e.actor_id,
    case
        when e.actor_id is null then 'system'
        when u.role in ('agent', 'admin') then 'agent'
        when u.role is not null then 'customer'
        else 'unknown'
    end as actor_role,
    e.is_public,
    row_number() over (
        partition by t.ticket_key order by e.happened_at, length(e.event_id), e.event_id
    ) as sequence
from events as e
join tickets as t on t.source = e.source and t.ticket_id = e.ticket_id
left join users as u on u.source = e.source and u.user_id = e.actor_id
where e.happened_at is not null
