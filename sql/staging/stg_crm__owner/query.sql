-- Purpose: versions of CRM owners under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.crm__owner__version
)

select
    source,
    id as owner_id,
    nullif(trim(email), '') as email,
    nullif(trim(first_name), '') as first_name,
    nullif(trim(last_name), '') as last_name,
    lower(nullif(trim(owner_type), '')) as owner_type,
    nullif(trim(team), '') as team,
    coalesce(is_active, true) as is_active,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_first_load as is_first_load,
    _is_deleted as is_deleted,
    _deleted_at as deleted_at
from versions
