-- Purpose: key contacts who have left: a person without a login is gone, whatever the CRM says; so is one whom the CRM
-- no longer has as decision maker or champion.
-- Grain: account and day. Inputs: CRM contacts and their history, users of the product, the bridge.
-- Window: none. Caveats: CRM and product are matched by address. core.contact_step shows a smaller number of key
-- contacts, but not that one took the place of another on the same day.
with bridge as (
    select * from core.account_bridge
),

key_people as (
    select b.account_key, lower(v.email) as email
    from staging.stg_crm__contact as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where (v.role like '%decision%maker%' or v.role like '%champion%')
        and v.known_from <= :known_at
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    union
    select b.account_key, lower(v.email)
    from staging.stg_crm__contact_history as p
    join staging.stg_crm__contact as v on v.source = p.source and v.contact_id = p.contact_id
    join bridge as b on b.source = p.source and b.source_id = p.account_id
    where (p.role like '%decision%maker%' or p.role like '%champion%')
        and p.known_from <= :known_at
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

versions as (
    select
        b.account_key,
        cast(
            case
                when row_number() over w = 1
                    then least(coalesce(v.created_at, v.source_at, v.known_from), coalesce(v.source_at, v.known_from))
                else coalesce(v.deleted_at, v.source_at, v.known_from)
            end
            at time zone :zone as date
        ) as from_day,
        not v.is_deleted and coalesce(v.role like '%decision%maker%' or v.role like '%champion%', false) as is_key,
        lag(not v.is_deleted and coalesce(v.role like '%decision%maker%' or v.role like '%champion%', false)) over w
            as was_key
    from staging.stg_crm__contact as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where v.known_from <= :known_at
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    window w as (partition by v.source, v.contact_id order by v.known_from, v.batch_id)
),

losses as (
    select u.account_key, u.deactivated_day as gone_on, false as is_replaced
    from core.product_user as u
    join key_people as k on k.account_key = u.account_key and k.email = lower(u.email)
    where not u.is_bot
        and u.deactivated_day is not null
        and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
    union all
    select l.account_key, l.from_day, g.account_key is not null
    from versions as l
    left join versions as g
        on g.account_key = l.account_key and g.from_day = l.from_day and g.is_key and not coalesce(g.was_key, false)
    where l.was_key and not l.is_key
)

select account_key, gone_on, bool_or(is_replaced) as is_replaced
from losses
group by account_key, gone_on
