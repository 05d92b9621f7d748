-- Purpose: versions of product accounts under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the versions of every vendor of this kind.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.product__product_account__version
)

select
    source,
    id as product_account_id,
    nullif(trim(name), '') as name,
    nullif(trim(crm_account_id), '') as crm_account_id,
    nullif(replace(lower(domain), ' ', ''), '') as domains,
    nullif(trim(plan), '') as plan,
    coalesce(is_internal, false) as is_internal,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_deleted as is_deleted
from versions
