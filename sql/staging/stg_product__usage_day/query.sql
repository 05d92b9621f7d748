-- Purpose: product usage per day under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: the newest version only.
with records as (
    select * from raw.product__usage_day
)

select
    source,
    id as usage_id,
    nullif(trim(account_id), '') as product_account_id,
    nullif(trim(user_id), '') as user_id,
    lower(nullif(trim(feature), '')) as feature,
    day,
    n_events,
    cast(minutes as numeric(18, 2)) as minutes,
    _is_deleted as is_deleted
from records
