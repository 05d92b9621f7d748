-- Purpose: trial accounts, and which of them became customers.
-- Grain: account. Inputs: product accounts, the bridge, ARR steps. Window: none, past and contracted future.
-- Caveats: an account that was already a customer when its product account was created had no trial. Accounts now
-- marked as internal are no trials. Deleted product accounts stay, because they were trials.
with newest_product_accounts as (
    select *, row_number() over (partition by source, product_account_id order by known_from desc, batch_id desc) as age
    from staging.stg_product__account
    where known_from <= :known_at
),

starts as (
    select b.account_key, min(cast(p.created_at at time zone :zone as date)) as started_on
    from newest_product_accounts as p
    join core.account_bridge as b on b.source = p.source and b.source_id = p.product_account_id
    where p.age = 1
        and not p.is_internal
        and p.created_at is not null
        and b.account_key is not null
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    group by b.account_key
),

customers as (
    select account_key, min(from_day) as customer_from
    from core.arr_step
    where kept_arr > 0
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
)

select
    s.account_key,
    s.started_on,
    s.started_on + 90 as over_on,
    c.customer_from as converted_on
from starts as s
left join customers as c on c.account_key = s.account_key
where c.customer_from is null or c.customer_from > s.started_on
