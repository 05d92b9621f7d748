-- Purpose: what CRM contacts were before they were first loaded, as their vendor remembers it.
-- Grain: record and moment from which on it was so. Inputs: the former versions of every CRM vendor.
-- Window: none. Caveat: what the vendor keeps no history of is as it was when it was reported.
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
