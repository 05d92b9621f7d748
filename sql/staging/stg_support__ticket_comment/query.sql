-- Purpose: public comments on tickets under the names used here; renames and casts, nothing else.
-- Grain: record. Inputs: the raw ticket events of every vendor of this kind, comments among them.
-- Window: none. Caveats: holds the newest version only; internal notes are left out.
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
