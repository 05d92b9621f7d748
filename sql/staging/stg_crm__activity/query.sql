-- Purpose: CRM activities under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every CRM vendor.
-- Window: none. Caveat: the newest version only; empty if no source maps the object.
with records as (
    select * from raw.crm__activity
)

select
    source,
    id as activity_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(contact_id), '') as contact_id,
    nullif(trim(owner_id), '') as owner_id,
    lower(nullif(trim(activity_type), '')) as activity_type,
    lower(nullif(trim(direction), '')) as direction,
    lower(nullif(trim(outcome), '')) as outcome,
    nullif(trim(subject), '') as subject,
    happened_at,
    duration_minutes,
    coalesce(is_completed, false) as is_completed,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
