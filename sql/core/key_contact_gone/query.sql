-- Purpose: key contacts who have left, by the product's users: a person without a login is gone, whatever the CRM says.
-- Grain: account and day. Inputs: CRM contacts and their history, users of the product, the bridge.
-- Window: none. Caveat: CRM and product are matched by address.
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
)

select distinct u.account_key, u.deactivated_day as gone_on
from core.product_user as u
join key_people as k on k.account_key = u.account_key and k.email = lower(u.email)
where not u.is_bot
    and u.deactivated_day is not null
    and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
