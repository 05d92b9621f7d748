-- Purpose: public comments on tickets under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw ticket events of every desk vendor, which include comments.
-- Window: none. Caveats: the newest version only; internal notes are left out.
with records as (
    select * from raw.support__ticket_event
)

select
    source,
    id as comment_id,
    nullif(trim(ticket_id), '') as ticket_id,
    nullif(trim(organization_id), '') as organization_id,
    nullif(trim(actor_id), '') as author_id,
    is_public,
    body,
    happened_at as created_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
where event_type = 'comment' and is_public
