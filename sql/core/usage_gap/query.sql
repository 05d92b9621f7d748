-- Purpose: the day from which an account's usage is unknown because its product is not read that far.
-- Grain: account. Inputs: product accounts, the bridge, incompletely read entities. Window: none.
-- Caveats: an account with complete usage has no row. With several products the one furthest behind counts; a product
-- removed from the settings counts only if no other is left.
with newest_product_accounts as (
    select *, row_number() over (partition by source, product_account_id order by known_from desc, batch_id desc) as age
    from staging.stg_product__account
    where known_from <= :known_at
),

product_accounts as (
    select * from newest_product_accounts where age = 1 and not is_deleted
),

bridge as (
    select * from core.account_bridge
),

product_sources as (
    select distinct source from product_accounts
),

-- A completely read product has no gap, as if the gap began at the end of time.
unread as (
    select s.source, coalesce(u.from_day, cast('2100-12-31' as date)) as from_day
    from product_sources as s
    left join meta.unread as u on u.source = s.source and u.entity = 'usage_day'
),

sources as (
    select source from meta.source
),

by_account as (
    select
        b.account_key,
        max(case when s.source is not null then 1 else 0 end) as is_configured,
        min(case when s.source is not null then u.from_day end) as configured_from,
        max(u.from_day) as any_from
    from product_accounts as p
    join bridge as b on b.source = p.source and b.source_id = p.product_account_id
    join unread as u on u.source = p.source
    left join sources as s on s.source = p.source
    where b.account_key is not null
    group by b.account_key
),

gaps as (
    select account_key, case when is_configured = 1 then configured_from else any_from end as from_day
    from by_account
)

select account_key, from_day
from gaps
where from_day < cast('2100-12-31' as date)
