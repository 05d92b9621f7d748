-- Purpose: first response time by its definition, by ticket.
-- Grain: ticket. Inputs: ticket events, tickets. Window: none.
-- Caveats: where the desk kept no comments its own metric stands in, which has no moment but minutes.
with tickets as (
    select * from core.ticket
    where not is_deleted
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

comments as (
    select
        *,
        row_number() over (partition by ticket_key order by sequence) as number
    from core.ticket_event
    where event_type = 'comment' and is_public
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

openings as (
    select ticket_key, actor_role = 'agent' as is_opened_by_agent
    from comments
    where number = 1
),

judged as (
    select
        c.ticket_key,
        c.happened_at,
        c.actor_role,
        c.actor_role = 'agent' and (not o.is_opened_by_agent or c.number > 1) as is_reply
    from comments as c
    join openings as o on o.ticket_key = c.ticket_key
),

counted as (
    select
        ticket_key,
        min(case when is_reply then happened_at end) as first_reply_at,
        count(case when is_reply then 1 end) as n_agent_replies,
        count(case when actor_role = 'customer' then 1 end) as n_customer_comments
    from judged
    group by ticket_key
)

select
    t.ticket_key,
    t.account_key,
    t.created_day,
    coalesce(o.is_opened_by_agent, false) as is_opened_by_agent,
    c.first_reply_at,
    case
        when c.ticket_key is null then t.first_reply_minutes
        else cast(floor(extract(epoch from c.first_reply_at - t.created_at) / 60) as bigint)
    end as first_reply_minutes,
    coalesce(c.n_agent_replies, t.n_replies) as n_agent_replies,
    coalesce(c.n_customer_comments, 0) as n_customer_comments
from tickets as t
left join counted as c on c.ticket_key = t.ticket_key
left join openings as o on o.ticket_key = t.ticket_key
