-- Purpose: the first day for which an account's usage is a number and not unknown.
-- Grain: account. Inputs: product accounts, the bridge. Window: none.
-- Caveat: an account without a product account has no row; its usage is not available, never 0.
with product_accounts as (
    select * from staging.stg_product__account
),

bridge as (
    select * from core.account_bridge
)

select
    b.account_key,
    coalesce(cast(min(p.created_at) at time zone :zone as date), cast('1990-01-01' as date)) as first_day
from product_accounts as p
join bridge as b on b.source = p.source and b.source_id = p.product_account_id
where b.account_key is not null
    and not p.is_deleted
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
group by b.account_key
