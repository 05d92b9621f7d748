-- Purpose: CRM milestones under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every CRM vendor.
-- Window: none. Caveat: the newest version only; empty if no source maps the object.
with records as (
    select * from raw.crm__milestone
)

select
    source,
    id as milestone_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(name), '') as name,
    lower(nullif(trim(kind), '')) as kind,
    due_on,
    done_on,
    lower(nullif(trim(status), '')) as status,
    nullif(trim(owner_id), '') as owner_id,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
