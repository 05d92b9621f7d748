-- Purpose: key contacts who have left: a person without a login is gone, whatever the CRM says; so is one whom the CRM
-- no longer has as decision maker or champion of the account.
-- Grain: account and day. Inputs: spans and addresses of contacts, users of the product.
-- Window: none. Caveats: CRM and product are matched by address. core.contact_step shows a smaller number of key
-- contacts, but not that one took the place of another on the same day.
with key_spans as (
    select
        account_key,
        contact_key,
        from_day,
        to_day,
        (lag(to_day) over w) is distinct from from_day as is_start,
        (lead(from_day) over w) is distinct from to_day as is_end
    from core.contact_span
    where (is_decision_maker or is_champion)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    window w as (partition by account_key, contact_key order by from_day)
),

key_people as (
    select distinct s.account_key, lower(v.email) as email
    from key_spans as s
    join staging.stg_crm__contact as v on v.source || ':' || v.contact_id = s.contact_key
    where v.known_from <= :known_at
),

losses as (
    select u.account_key, u.deactivated_day as gone_on, false as is_replaced
    from core.product_user as u
    join key_people as k on k.account_key = u.account_key and k.email = lower(u.email)
    where not u.is_bot
        and u.deactivated_day is not null
        and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))
    union all
    select l.account_key, l.to_day, g.account_key is not null
    from key_spans as l
    left join key_spans as g on g.account_key = l.account_key and g.from_day = l.to_day and g.is_start
    where l.is_end
)

select account_key, gone_on, bool_or(is_replaced) as is_replaced
from losses
group by account_key, gone_on
