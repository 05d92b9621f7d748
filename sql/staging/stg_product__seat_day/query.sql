-- Purpose: product seats per day under Perennial's names; renames and casts only.
-- Grain: record. Inputs: the raw rows of every vendor of this kind.
-- Window: none. Caveat: the newest version only.
with records as (
    select * from raw.product__seat_day
)

select
    source,
    id as seat_id,
    nullif(trim(account_id), '') as product_account_id,
    day,
    n_paid_seats,
    n_activated_seats,
    _is_deleted as is_deleted
from records
