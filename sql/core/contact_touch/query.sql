-- Purpose: the last contact with an account, for any day.
-- Grain: account and day of contact. Inputs: CRM contact versions, the bridge.
-- Window: none. Caveat: a CRM keeps only a person's last contact; earlier ones are known only if a load saw them.
with contact_versions as (
    select * from staging.stg_crm__contact
),

bridge as (
    select * from core.account_bridge
),

touches as (
    select
        b.account_key,
        cast(v.last_contacted_at at time zone :zone as date) as from_day,
        v.last_contacted_at,
        cast(v.known_from at time zone :zone as date) as known_on
    from contact_versions as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where v.last_contacted_at is not null
        and v.known_from <= :known_at
        and b.account_key is not null
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
)

select
    account_key,
    from_day,
    max(last_contacted_at) as last_contact_at,
    min(known_on) as known_on
from touches
group by account_key, from_day
