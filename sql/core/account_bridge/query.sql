-- Purpose: say which account a source's own account id means.
-- Grain: source and id. Inputs: CRM accounts and their merges, organisations, product accounts.
-- Window: none. Caveats: nothing is matched by name or domain; an id that names no CRM account has a null account_key
-- and counts as unmatched. An account that was merged away stands for the one that it was merged into.
with account_versions as (
    select * from staging.stg_crm__account
),

merges as (
    select * from meta.account_merge where known_from <= :known_at
),

organizations as (
    select * from staging.stg_support__organization
),

product_accounts as (
    select * from staging.stg_product__account
),

-- Losers that were merged away before the first load are known from their survivors only.
crm_ids as (
    select source, account_id from account_versions where known_from <= :known_at
    union
    select source, loser_id from merges
),

crm_accounts as (
    select
        c.source,
        c.account_id,
        c.source || ':' || coalesce(m.survivor_id, c.account_id) as account_key,
        case when m.loser_id is null then 'crm_id' else 'merged' end as method
    from crm_ids as c
    left join merges as m on m.source = c.source and m.loser_id = c.account_id
),

others as (
    select source, organization_id as source_id, 'organization' as entity, 'external_id' as method, crm_account_id
    from organizations
    union all
    select source, product_account_id, 'product_account', 'crm_account_id', crm_account_id
    from product_accounts
),

-- With several CRMs an id may exist in more than one; the first by name is taken.
matched as (
    select
        o.source,
        o.source_id,
        o.entity,
        o.method,
        c.account_key,
        row_number() over (partition by o.source, o.source_id, o.entity order by c.source) as choice
    from others as o
    left join crm_accounts as c on c.account_id = o.crm_account_id
)

select
    source,
    account_id as source_id,
    'account' as entity,
    account_key,
    method,
    cast(1 as double precision) as confidence
from crm_accounts
union all
select
    source,
    source_id,
    entity,
    account_key,
    case when account_key is null then 'none' else method end as method,
    case when account_key is null then cast(0 as double precision) else cast(1 as double precision) end as confidence
from matched
where choice = 1
