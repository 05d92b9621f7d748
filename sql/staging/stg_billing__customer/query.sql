-- Purpose: versions of a billing system's customers under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor, settings.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.crm__account__version
)

select
    source,
    id as customer_id,
    nullif(trim(name), '') as name,
    nullif(trim(crm_account_id), '') as crm_account_id,
    nullif(replace(lower(domain), ' ', ''), '') as domains,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_deleted as is_deleted
from versions
where source in (select source from meta.source where kind = 'billing')
