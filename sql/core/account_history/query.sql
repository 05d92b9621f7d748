-- Purpose: what an account was, on any day, as known at any moment.
-- Grain: account, version and known time. Inputs: CRM account versions, the bridge. Window: none, all versions of
-- the named accounts.
-- Caveats: when a next version arrives, the row with an open end stays (it is what was known until then) and a
-- second one carries the end; versions that change nothing here are left out.
with account_versions as (
    select * from staging.stg_crm__account
),

bridge as (
    select * from core.account_bridge
),

versions as (
    select
        b.account_key,
        v.*,
        coalesce(v.source || ':' || v.owner_id, '') as owner_key,
        coalesce(v.source || ':' || v.parent_id, '') as parent_key
    from account_versions as v
    join bridge as b on b.source = v.source and b.source_id = v.account_id
    where b.method = 'crm_id'
        and v.known_from <= :known_at
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

with_facts as (
    select
        *,
        concat_ws(
            '|',
            coalesce(name, ''),
            coalesce(domain, ''),
            coalesce(industry, ''),
            coalesce(region, ''),
            coalesce(tier, ''),
            owner_key,
            parent_key,
            coalesce(lifecycle_stage, ''),
            is_test,
            is_deleted
        ) as facts
    from versions
),

with_facts_before as (
    select *, lag(facts) over (partition by account_key order by known_from, batch_id) as facts_before
    from with_facts
),

changed as (
    select
        *,
        row_number() over (partition by account_key order by known_from, batch_id) as version_no,
        lead(known_from) over (partition by account_key order by known_from, batch_id) as next_known_from,
        lead(coalesce(deleted_at, source_at, known_from)) over (partition by account_key order by known_from, batch_id)
            as next_valid_from
    from with_facts_before
    where facts_before is null or facts <> facts_before
),

dated as (
    select
        *,
        case
            when version_no = 1 then least(coalesce(created_at, source_at, known_from), coalesce(source_at, known_from))
            else coalesce(deleted_at, source_at, known_from)
        end as valid_from
    from changed
),

-- Until the next version arrived, this one was believed to go on.
both_beliefs as (
    select *, cast(null as timestamptz) as valid_to, known_from as believed_from, next_known_from as believed_to
    from dated
    union all
    select *, next_valid_from, next_known_from, cast(null as timestamptz)
    from dated
    where next_valid_from > valid_from
)

select
    account_key,
    version_no,
    name,
    domain,
    industry,
    region,
    tier,
    nullif(owner_key, '') as owner_key,
    nullif(parent_key, '') as parent_key,
    lifecycle_stage,
    is_test,
    is_deleted,
    valid_from,
    valid_to,
    believed_from as known_from,
    believed_to as known_to,
    version_no = 1 and is_first_load as is_reconstructed
from both_beliefs
