-- Purpose: users whose usage is excluded.
-- Grain: user. Inputs: product users, the bridge. Window: none.
-- Caveat: a user who is identified as a bot later is excluded for all days.
with users as (
    select * from staging.stg_product__user
),

bridge as (
    select * from core.account_bridge
)

select
    u.source || ':' || u.user_id as user_key,
    b.account_key
from users as u
join bridge as b on b.source = u.source and b.source_id = u.product_account_id
where u.is_bot
    and b.account_key is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
