-- Purpose: CRM objectives under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every CRM vendor.
-- Window: none. Caveat: the newest version only; empty if no source maps the object.
with records as (
    select * from raw.crm__objective
)

select
    source,
    id as objective_id,
    nullif(trim(account_id), '') as account_id,
    nullif(trim(name), '') as name,
    nullif(trim(target), '') as target,
    baseline,
    current_value,
    target_value,
    nullif(trim(unit), '') as unit,
    lower(nullif(trim(way), '')) as way,
    lower(nullif(trim(status), '')) as status,
    due_on,
    done_on,
    nullif(trim(owner_id), '') as owner_id,
    created_at,
    updated_at,
    _loaded_at as known_from,
    _is_deleted as is_deleted
from records
