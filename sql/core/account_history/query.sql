-- Purpose: the state of an account on any day, as known at any time.
-- Grain: account, version and known time. Inputs: CRM account versions, the vendor's history, the bridge. Window: none,
-- all versions of the named accounts.
-- Caveats: when a next version arrives, the row with an open end stays (it was the knowledge until then) and a second
-- row has the end. Versions without relevant changes are left out. States from before the first load have numbers down
-- from 0, and the first loaded version then begins at the end of the last of them.
with account_versions as (
    select * from staging.stg_crm__account
),

past_states as (
    select * from staging.stg_crm__account_history
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
            is_deleted,
            coalesce(cast(employees as text), ''),
            coalesce(brand, ''),
            coalesce(cast(referrals as text), '')
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

-- Until the next version arrived, this one was believed to continue.
both_beliefs as (
    select *, cast(null as timestamptz) as valid_to, known_from as believed_from, next_known_from as believed_to
    from dated
    union all
    select *, next_valid_from, next_known_from, cast(null as timestamptz)
    from dated
    where next_valid_from > valid_from
),

backfilled as (
    select
        b.account_key,
        p.*,
        p.source || ':' || p.owner_id as owner_key,
        p.source || ':' || p.parent_id as parent_key,
        lead(p.valid_from) over (partition by b.account_key order by p.valid_from) as valid_to,
        row_number() over (partition by b.account_key order by p.valid_from desc) - 1 as n_later
    from past_states as p
    join bridge as b on b.source = p.source and b.source_id = p.account_id
    where b.method = 'crm_id'
        and p.known_from <= :known_at
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

-- The time since when an account's history is known, and its end in the first loaded version.
known_past as (
    select account_key, max(known_from) as told_at, max(valid_from) as last_from
    from backfilled
    group by account_key
),

beliefs as (
    select
        h.*,
        case when h.version_no = 1 then p.told_at end as told_at,
        p.last_from
    from both_beliefs as h
    left join known_past as p on p.account_key = h.account_key
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
    employees,
    brand,
    referrals,
    is_deleted,
    valid_from,
    valid_to,
    believed_from as known_from,
    least(believed_to, told_at) as known_to,
    version_no = 1 and is_first_load as is_backfilled
from beliefs
where told_at is null or believed_from < told_at
union all
select
    account_key,
    version_no,
    name,
    domain,
    industry,
    region,
    tier,
    nullif(owner_key, ''),
    nullif(parent_key, ''),
    lifecycle_stage,
    is_test,
    employees,
    brand,
    referrals,
    is_deleted,
    last_from,
    valid_to,
    greatest(believed_from, told_at),
    believed_to,
    is_first_load
from beliefs
where told_at is not null
    and (believed_to is null or believed_to > told_at)
    and (valid_to is null or valid_to > last_from)
union all
select
    account_key,
    1 - n_later,
    name,
    domain,
    industry,
    region,
    tier,
    owner_key,
    parent_key,
    lifecycle_stage,
    is_test,
    employees,
    brand,
    referrals,
    false,
    valid_from,
    valid_to,
    known_from,
    cast(null as timestamptz),
    true
from backfilled
where n_later > 0
