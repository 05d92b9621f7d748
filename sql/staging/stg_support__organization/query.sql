-- Purpose: support organization records under the names used here; renames and casts, nothing else.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: holds the newest version only.
with records as (
    select * from raw.support__organization
)

select
    source,
    id as organization_id,
    nullif(trim(name), '') as name,
    nullif(trim(external_id), '') as crm_account_id,
    created_at,
    _is_deleted as is_deleted
from records
