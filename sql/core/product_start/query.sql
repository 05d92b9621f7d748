-- Purpose: the first day on which an account's usage is known.
-- Grain: account. Inputs: product accounts, the bridge, the oldest usage of all. Window: none.
-- Caveats: usage starts with the loaded history, however old the account is. An account without a product account has
-- no row, and its usage is not available, never 0.
with newest_product_accounts as (
    select *, row_number() over (partition by source, product_account_id order by known_from desc, batch_id desc) as age
    from staging.stg_product__account
    where known_from <= :known_at
),

product_accounts as (
    select * from newest_product_accounts where age = 1
),

bridge as (
    select * from core.account_bridge
),

-- Materialised: with a pushed-down filter it would read every row instead of one end of the index.
oldest_usage as materialized (
    select min(day) as day from staging.stg_product__usage_day
)

select
    b.account_key,
    greatest(
        coalesce(cast(min(p.created_at) at time zone :zone as date), cast('1990-01-01' as date)),
        o.day
    ) as first_day
from product_accounts as p
join bridge as b on b.source = p.source and b.source_id = p.product_account_id
cross join oldest_usage as o
where b.account_key is not null
    and not p.is_deleted
    and o.day is not null
group by b.account_key, o.day
