-- Purpose: desk users under the names used here; renames and casts, nothing else.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: holds the newest version only; the desk's own agents are among them.
with records as (
    select * from raw.support__support_user
)

select
    source,
    id as user_id,
    nullif(trim(organization_id), '') as organization_id,
    lower(nullif(trim(email), '')) as email,
    nullif(trim(name), '') as name,
    lower(nullif(trim(role), '')) as role,
    coalesce(is_active, true) as is_active,
    created_at,
    _is_deleted as is_deleted
from records
