-- Purpose: what customers and agents wrote to each other, by account.
-- Grain: public comment. Inputs: desk comments, ticket events with their actors. Window: none.
-- Caveat: texts are cut at 10,000 characters.
with comments as (
    select * from staging.stg_support__ticket_comment where not is_deleted
),

events as (
    select * from core.ticket_event
    where event_type = 'comment' and is_public
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
)

select
    e.event_key as comment_key,
    e.account_key,
    e.ticket_key,
    e.happened_at as created_at,
    e.day,
    e.actor_role as author_role,
    c.body
from events as e
join comments as c on c.source || ':' || c.comment_id = e.event_key
