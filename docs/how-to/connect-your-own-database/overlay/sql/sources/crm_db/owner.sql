-- Purpose: account owners. leadforge only numbers its representatives.
-- Grain: representative.
select
    owner_rep_id as id,
    owner_rep_id || '@vendor.example' as email,
    'Representative' as first_name,
    right(owner_rep_id, 6) as last_name,
    true as is_active,
    min(lead_created_at)::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from leads
where owner_rep_id is not null
group by owner_rep_id
