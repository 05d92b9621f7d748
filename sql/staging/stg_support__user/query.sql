-- Purpose: desk users under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every desk vendor.
-- Window: none. Caveat: the newest version only; includes the desk's own agents.
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
