-- Purpose: ticket events under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: the newest version only.
with records as (
    select * from raw.support__ticket_event
)

select
    source,
    id as event_id,
    nullif(trim(ticket_id), '') as ticket_id,
    nullif(trim(organization_id), '') as organization_id,
    happened_at,
    lower(nullif(trim(event_type), '')) as event_type,
    lower(nullif(trim(old_value), '')) as old_value,
    lower(nullif(trim(new_value), '')) as new_value,
    nullif(trim(actor_id), '') as actor_id,
    is_public,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
