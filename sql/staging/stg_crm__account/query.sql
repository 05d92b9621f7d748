-- Purpose: versions of CRM accounts under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor, settings.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's. A billing system's customers are
-- not here but in stg_billing__customer, because they are accounts of the CRM.
with versions as (
    select * from raw.crm__account__version
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
    nullif(trim(language), '') as language,
    lower(nullif(trim(tier), '')) as tier,
    nullif(trim(owner_id), '') as owner_id,
    nullif(trim(parent_id), '') as parent_id,
    lower(nullif(trim(lifecycle_stage), '')) as lifecycle_stage,
    coalesce(is_test, false) as is_test,
    coalesce(contract_arr, contract_mrr * 12) as contract_arr,
    contract_start,
    renewal_date,
    lower(nullif(trim(contract_status), '')) as contract_status,
    upper(nullif(trim(contract_currency), '')) as contract_currency,
    employees,
    lower(nullif(trim(brand), '')) as brand,
    referrals,
    reference_consent,
    reference_asked_on,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_first_load as is_first_load,
    _is_deleted as is_deleted,
    _deleted_at as deleted_at
from versions
where source not in (select source from meta.source where kind = 'billing')
