-- Purpose: product users under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: the newest version only.
with records as (
    select * from raw.product__product_user
)

select
    source,
    id as user_id,
    nullif(trim(account_id), '') as product_account_id,
    nullif(trim(email), '') as email,
    lower(nullif(trim(role), '')) as role,
    nullif(trim(team), '') as team,
    coalesce(is_bot, false) as is_bot,
    activated_at,
    deactivated_at,
    created_at,
    _is_deleted as is_deleted
from records
