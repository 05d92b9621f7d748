-- Purpose: product account records under the names used here; renames and casts, nothing else.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: holds the newest version only.
with records as (
    select * from raw.product__product_account
)

select
    source,
    id as product_account_id,
    nullif(trim(name), '') as name,
    nullif(trim(crm_account_id), '') as crm_account_id,
    nullif(trim(plan), '') as plan,
    coalesce(is_internal, false) as is_internal,
    created_at,
    _is_deleted as is_deleted
from records
