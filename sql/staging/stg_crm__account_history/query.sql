-- Purpose: what CRM accounts were before they were first loaded, as their vendor remembers it.
-- Grain: record and moment from which on it was so. Inputs: the former versions of every CRM vendor.
-- Window: none. Caveat: what the vendor keeps no history of is as it was when it was reported.
with states as (
    select * from raw.crm__account__history
)

select
    source,
    id as account_id,
    nullif(trim(name), '') as name,
    lower(nullif(trim(domain), '')) as domain,
    nullif(trim(industry), '') as industry,
    nullif(trim(region), '') as region,
    lower(nullif(trim(tier), '')) as tier,
    nullif(trim(owner_id), '') as owner_id,
    nullif(trim(parent_id), '') as parent_id,
    lower(nullif(trim(lifecycle_stage), '')) as lifecycle_stage,
    coalesce(is_test, false) as is_test,
    employees,
    lower(nullif(trim(brand), '')) as brand,
    referrals,
    _source_at as valid_from,
    _loaded_at as known_from
from states
