-- Purpose: deals with the terms that they set for their contract.
-- Grain: opportunity. Inputs: CRM opportunity versions, the bridge. Window: none.
-- Caveat: a deal without a contract number is a contract of its own; it belongs to its primary company.
with opportunity_versions as (
    select * from staging.stg_crm__opportunity
),

bridge as (
    select * from core.account_bridge
),

known_versions as (
    select
        *,
        row_number() over (partition by source, opportunity_id order by known_from desc, batch_id desc) as age,
        max(case when not is_deleted then batch_id end) over (partition by source, opportunity_id) as last_live_batch
    from opportunity_versions
    where known_from <= :known_at
),

newest_versions as (
    select
        *,
        min(case when is_deleted and batch_id > coalesce(last_live_batch, 0) then batch_id end)
            over (partition by source, opportunity_id) as deleted_batch
    from known_versions
)

select
    v.source || ':' || v.opportunity_id as opportunity_key,
    b.account_key,
    v.source || ':' || coalesce(v.contract_number, 'deal-' || v.opportunity_id) as contract_key,
    coalesce(v.contract_number, v.opportunity_id) as contract_number,
    coalesce(v.opportunity_type, 'new') as opportunity_type,
    v.stage,
    v.is_closed or v.is_won as is_closed,
    v.is_won,
    v.close_date,
    v.amount,
    v.currency,
    v.notice_months,
    v.is_auto_renew,
    v.notice_given_on,
    v.lost_reason,
    v.source || ':' || v.owner_id as owner_key,
    cast(v.created_at at time zone :zone as date) as created_day,
    v.is_deleted,
    v.deleted_at,
    v.deleted_batch
from newest_versions as v
join bridge as b on b.source = v.source and b.source_id = v.account_id
where v.age = 1
    and b.account_key is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
