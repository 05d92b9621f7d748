-- Purpose: tickets under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: the newest version only.
with records as (
    select * from raw.support__ticket
)

select
    source,
    id as ticket_id,
    nullif(trim(organization_id), '') as organization_id,
    lower(nullif(trim(status), '')) as status,
    nullif(trim(requester_id), '') as requester_id,
    lower(nullif(trim(priority), '')) as priority,
    lower(nullif(trim(ticket_type), '')) as ticket_type,
    nullif(trim(subject), '') as subject,
    lower(nullif(trim(channel), '')) as channel,
    lower(nullif(trim(satisfaction), '')) as satisfaction,
    lower(nullif(trim(tags), '')) as tags,
    solved_at,
    coalesce(first_reply_minutes, first_reply_seconds / 60) as first_reply_minutes,
    first_reply_business_minutes,
    first_resolution_minutes,
    full_resolution_minutes,
    full_resolution_business_minutes,
    requester_wait_minutes,
    requester_wait_business_minutes,
    agent_wait_minutes,
    n_reopens,
    n_replies,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
