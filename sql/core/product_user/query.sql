-- Purpose: the people who may use the product, by account.
-- Grain: user. Inputs: product users, the bridge. Window: none.
-- Caveat: bots are here, marked, and count nowhere.
with users as (
    select * from staging.stg_product__user
),

bridge as (
    select * from core.account_bridge
)

select
    u.source || ':' || u.user_id as user_key,
    b.account_key,
    u.email,
    u.role,
    u.team,
    u.is_bot,
    u.is_deleted,
    cast(u.activated_at at time zone :zone as date) as activated_day,
    cast(u.deactivated_at at time zone :zone as date) as deactivated_day,
    cast(u.created_at at time zone :zone as date) as created_day
from users as u
join bridge as b on b.source = u.source and b.source_id = u.product_account_id
where b.account_key is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
