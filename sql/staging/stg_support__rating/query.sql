-- Purpose: ticket ratings under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: the newest version only.
with records as (
    select * from raw.support__rating
)

select
    source,
    id as rating_id,
    nullif(trim(ticket_id), '') as ticket_id,
    lower(nullif(trim(score), '')) as score,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
