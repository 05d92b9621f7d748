-- Purpose: the current state of an account, and whether it counts.
-- Grain: account. Inputs: CRM account versions, the bridge, product accounts, the exclusion list.
-- Window: none. Caveat: internal, test and demo accounts are here with is_excluded, and count nowhere else.
with account_versions as (
    select * from staging.stg_crm__account
),

bridge as (
    select * from core.account_bridge
),

newest_product_accounts as (
    select *, row_number() over (partition by source, product_account_id order by known_from desc, batch_id desc) as age
    from staging.stg_product__account
    where known_from <= :known_at
),

product_accounts as (
    select * from newest_product_accounts where age = 1
),

exclusions as (
    select * from meta.exclusion where until > :newest
),

newest_versions as (
    select
        b.account_key,
        v.*,
        row_number() over (partition by b.account_key order by v.known_from desc, v.batch_id desc) as age,
        min(v.known_from) over (partition by b.account_key) as first_known_at
    from account_versions as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where b.method = 'crm_id'
        and v.known_from <= :known_at
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

-- An internal workspace next to a customer's own does not make the customer internal.
in_product as (
    select b.account_key, min(cast(p.is_internal as integer)) = 1 as is_internal
    from product_accounts as p
    join bridge as b on b.source = p.source and b.source_id = p.product_account_id
    where b.account_key is not null and not p.is_deleted
    group by b.account_key
)

select
    v.account_key,
    v.source as crm_source,
    v.account_id as crm_account_id,
    coalesce(v.name, v.account_key) as name,
    v.domain,
    v.industry,
    v.region,
    v.language,
    v.tier,
    v.source || ':' || v.owner_id as owner_key,
    v.source || ':' || v.parent_id as parent_key,
    v.lifecycle_stage,
    v.reference_consent,
    v.reference_asked_on,
    v.is_deleted,
    v.is_test or coalesce(p.is_internal, false) or e.account_key is not null as is_excluded,
    case
        when e.account_key is not null then 'on the exclusion list: ' || e.reason
        when v.is_test then 'marked as a test in the CRM'
        when p.is_internal then 'internal in the product'
    end as exclusion_reason,
    v.created_at,
    v.first_known_at
from newest_versions as v
left join in_product as p on p.account_key = v.account_key
left join exclusions as e on e.account_key = v.account_key
where v.age = 1
