-- Purpose: CRM accounts before their first load, from the vendor's history.
-- Grain: record and time from which the state applied. Inputs: the former versions of every CRM vendor.
-- Window: none. Caveat: fields without history at the vendor have their value at the time of the report.
with states as (
    select * from raw.crm__account__history
)

select
    source,
    id as account_id,
    nullif(trim(name), '') as name,
    nullif(
        split_part(regexp_replace(lower(trim(domain)), '^([a-z]+://)?(www[.])?', ''), '/', 1),
        ''
    ) as domain,
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
