-- Purpose: versions of desk organisations under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the versions of every vendor of this kind.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.support__organization__version
)

select
    source,
    id as organization_id,
    nullif(trim(name), '') as name,
    nullif(trim(external_id), '') as crm_account_id,
    nullif(replace(lower(domain_names), ' ', ''), '') as domains,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_deleted as is_deleted
from versions
