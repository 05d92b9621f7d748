-- Purpose: CRM contacts before their first load, from the vendor's history.
-- Grain: record and time from which the state applied. Inputs: the former versions of every CRM vendor.
-- Window: none. Caveat: fields without history at the vendor have their value at the time of the report.
with states as (
    select * from raw.crm__contact__history
)

select
    source,
    id as contact_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(job_title), '') as job_title,
    lower(nullif(trim(role), '')) as role,
    _source_at as valid_from,
    _loaded_at as known_from
from states
