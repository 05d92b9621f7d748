-- Purpose: CRM survey answers under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every CRM vendor.
-- Window: none. Caveat: the newest version only; empty if no source maps the object.
with records as (
    select * from raw.crm__survey_response
)

select
    source,
    id as survey_response_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(contact_id), '') as contact_id,
    nullif(trim(survey), '') as survey,
    lower(nullif(trim(kind), '')) as kind,
    score,
    answered_at,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
