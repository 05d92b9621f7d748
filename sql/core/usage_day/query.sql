-- Purpose: usage that counts: of known accounts, without bots.
-- Grain: account, user, feature and day. Inputs: product usage, the bridge, bots, the feature lists.
-- Window: days [start, end). Caveat: a day is the product's own day. Users of several product accounts of one CRM
-- account are summed.
with usage as (
    select * from staging.stg_product__usage_day
    where day >= :start and day < :end
),

bridge as (
    select * from core.account_bridge
),

bots as (
    select * from core.bot_user
),

features as (
    select * from meta.feature
),

by_people as (
    select
        b.account_key,
        u.day,
        u.source || ':' || u.user_id as user_key,
        coalesce(u.feature, 'unknown') as feature,
        u.n_events,
        u.minutes
    from usage as u
    join bridge as b on b.source = u.source and b.source_id = u.product_account_id
    left join bots as x on x.user_key = u.source || ':' || u.user_id and x.account_key = b.account_key
    where b.account_key is not null
        and x.user_key is null
        and u.user_id is not null
        and u.n_events > 0
        and not u.is_deleted
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
)

select
    p.account_key,
    p.day,
    p.user_key,
    p.feature,
    cast(sum(p.n_events) as bigint) as n_events,
    cast(sum(p.minutes) as numeric(18, 2)) as minutes,
    coalesce(f.is_value_event, false) as is_value_event,
    coalesce(f.is_key_feature, false) as is_key_feature
from by_people as p
left join features as f on f.feature = p.feature
group by p.account_key, p.day, p.user_key, p.feature, f.is_value_event, f.is_key_feature
