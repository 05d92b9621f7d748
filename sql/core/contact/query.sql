-- Purpose: the people of an account and their roles.
-- Grain: contact. Inputs: CRM contact versions, the bridge. Window: none.
-- Caveat: a contact counts for its primary account.
with contact_versions as (
    select * from staging.stg_crm__contact
),

bridge as (
    select * from core.account_bridge
),

newest_versions as (
    select *, row_number() over (partition by source, contact_id order by known_from desc, batch_id desc) as age
    from contact_versions
    where known_from <= :known_at
)

select
    v.source || ':' || v.contact_id as contact_key,
    b.account_key,
    v.email,
    nullif(trim(concat_ws(' ', v.first_name, v.last_name)), '') as name,
    v.job_title,
    v.role,
    v.language,
    v.region,
    v.is_opted_out,
    v.has_bounced,
    v.consent,
    coalesce(v.role like '%decision%maker%', false) as is_decision_maker,
    coalesce(v.role like '%champion%', false) as is_champion,
    v.last_contacted_at,
    v.is_deleted,
    v.created_at
from newest_versions as v
join bridge as b on b.source = v.source and b.source_id = v.account_id
where v.age = 1
    and b.account_key is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
