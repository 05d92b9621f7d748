-- Purpose: versions of CRM contacts under Perennial's names; renames and casts only.
-- Grain: record and load. Inputs: the raw versions of every CRM vendor.
-- Window: none. Caveat: blanks become null; times are the source's and Perennial's.
with versions as (
    select * from raw.crm__contact__version
)

select
    source,
    id as contact_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(email), '') as email,
    nullif(replace(replace(other_emails, ';', ','), ' ', ''), '') as other_emails,
    nullif(trim(first_name), '') as first_name,
    nullif(trim(last_name), '') as last_name,
    nullif(trim(job_title), '') as job_title,
    lower(nullif(trim(role), '')) as role,
    nullif(trim(language), '') as language,
    nullif(trim(region), '') as region,
    is_opted_out,
    has_bounced,
    nullif(trim(consent), '') as consent,
    last_contacted_at,
    created_at,
    _loaded_at as known_from,
    _source_at as source_at,
    _batch_id as batch_id,
    _is_first_load as is_first_load,
    _is_deleted as is_deleted,
    _deleted_at as deleted_at
from versions
