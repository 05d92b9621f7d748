-- Purpose: the account of each source's own id, for any day, as known at any time.
-- Grain: source, id, version and known time. Inputs: versions of CRM accounts, organisations, product accounts and
-- billing customers, the CRM's merges, people's answers, shared domains. Window: none.
-- Caveats: an answer precedes an explicit id, which precedes a domain. An unmatched id has a reason. A new id or a
-- merge applies from the source's time; an answer, a domain or an undone merge applies to all days. A merged
-- organisation means its survivor's account, because its closed tickets keep its id.
with account_versions as (
    select * from staging.stg_crm__account where known_from <= :known_at
),

organizations as (
    select * from staging.stg_support__organization where known_from <= :known_at
),

product_accounts as (
    select * from staging.stg_product__account where known_from <= :known_at
),

billing_customers as (
    select * from staging.stg_billing__customer where known_from <= :known_at
),

merges as (
    select
        source,
        loser_id,
        survivor_id,
        merged_at,
        known_from,
        case when known_to <= :known_at then known_to end as known_to
    from meta.account_merge_history
    where known_from <= :known_at
),

crm_merges as (
    select * from merges where source in (select source from account_versions)
),

answers as (
    select
        source,
        source_id,
        account_key,
        is_match,
        known_from,
        case when known_to <= :known_at then known_to end as known_to
    from meta.identity_answer
    where known_from <= :known_at
),

shared_domains as (
    select * from meta.shared_domain
),

-- The account that each CRM id counted as. Accounts merged before the first load are known from their survivors only.
crm_births as (
    select
        source,
        account_id,
        min(known_from) as at,
        min(least(coalesce(created_at, source_at, known_from), coalesce(source_at, known_from))) as born_at
    from account_versions
    group by source, account_id
),

crm_moments as (
    select source, account_id, at, cast(null as timestamptz) as valid_at from crm_births
    union all
    select source, loser_id, known_from, coalesce(merged_at, known_from) from crm_merges
    union all
    select source, loser_id, known_to, null from crm_merges where known_to is not null
),

crm_steps as (
    select
        source,
        account_id,
        at,
        max(valid_at) as valid_at,
        lead(at) over (partition by source, account_id order by at) as until
    from crm_moments
    group by source, account_id, at
),

crm_keys as (
    select
        c.source,
        c.account_id,
        c.at,
        c.valid_at,
        c.until,
        c.source || ':' || coalesce(m.survivor_id, c.account_id) as account_key,
        case when m.loser_id is null then 'crm_id' else 'merged' end as method
    from crm_steps as c
    left join merges as m
        on m.source = c.source
        and m.loser_id = c.account_id
        and m.known_from <= c.at
        and (m.known_to is null or m.known_to > c.at)
),

-- The desk's and the product's own data about their ids, with its time.
other_versions as (
    select
        source,
        organization_id as source_id,
        'organization' as entity,
        'external_id' as method,
        crm_account_id,
        domains,
        created_at,
        source_at,
        known_from,
        batch_id
    from organizations
    union all
    select
        source,
        product_account_id,
        'product_account',
        'crm_account_id',
        crm_account_id,
        domains,
        created_at,
        source_at,
        known_from,
        batch_id
    from product_accounts
    union all
    select
        source,
        customer_id,
        'billing_customer',
        'crm_account_id',
        crm_account_id,
        domains,
        created_at,
        source_at,
        known_from,
        batch_id
    from billing_customers
),

last_of_load as (
    select *, row_number() over (partition by source, source_id, known_from order by batch_id desc) as age
    from other_versions
),

other_spans as (
    select *, lead(known_from) over (partition by source, source_id order by known_from) as known_to
    from last_of_load
    where age = 1
),

births as (
    select
        source,
        source_id,
        min(known_from) as at,
        min(least(coalesce(created_at, source_at, known_from), coalesce(source_at, known_from))) as born_at
    from other_versions
    group by source, source_id
),

desk_merges as (
    select m.source, m.loser_id, m.survivor_id, m.merged_at, m.known_from, m.known_to, l.born_at
    from merges as m
    join births as l on l.source = m.source and l.source_id = m.loser_id
    join births as s on s.source = m.source and s.source_id = m.survivor_id
),

split_domains as (
    select
        source,
        source_id,
        known_from,
        split_part(regexp_replace(trim(one), '^([a-z]+://)?(www[.])?', ''), '/', 1) as domain
    from (
        select source, source_id, known_from, unnest(string_to_array(domains, ',')) as one
        from other_spans
        where domains is not null
    ) as each_domain
),

own_domains as (
    select distinct d.source, d.source_id, d.known_from, d.domain
    from split_domains as d
    left join shared_domains as s on s.domain = d.domain
    where s.domain is null and d.domain <> ''
),

-- The accounts that had a domain at a time. A merged account counts as its survivor.
account_domains as (
    select
        v.source,
        v.account_id,
        v.domain,
        v.is_deleted,
        v.known_from,
        lead(v.known_from) over (partition by v.source, v.account_id order by v.known_from, v.batch_id) as known_to
    from account_versions as v
),

domain_steps as (
    select
        d.domain,
        d.is_deleted,
        k.account_key,
        greatest(d.known_from, k.at) as at,
        least(d.known_to, k.until) as until
    from account_domains as d
    join crm_keys as k
        on k.source = d.source
        and k.account_id = d.account_id
        and k.at < coalesce(d.known_to, 'infinity')
        and coalesce(k.until, 'infinity') > d.known_from
    where d.domain is not null
),

-- An id may be prefixed with its CRM's source, which is necessary with several CRMs.
account_refs as (
    select account_id as ref, account_key, at, valid_at, until from crm_keys
    union all
    select source || ':' || account_id, account_key, at, valid_at, until from crm_keys
),

-- Every time at which new knowledge affects an id.
moments as (
    select source, source_id, known_from as at, source_at as valid_at from other_spans
    union all
    select o.source, o.source_id, r.at, r.valid_at
    from other_spans as o
    join account_refs as r on r.ref = o.crm_account_id
    union all
    select o.source, o.source_id, d.at, null
    from own_domains as o
    join domain_steps as d on d.domain = o.domain
    union all
    select o.source, o.source_id, d.until, null
    from own_domains as o
    join domain_steps as d on d.domain = o.domain
    where d.until is not null
    union all
    select source, source_id, known_from, null from answers
    union all
    select source, source_id, known_to, null from answers where known_to is not null
    union all
    select a.source, a.source_id, r.at, r.valid_at
    from answers as a
    join account_refs as r on r.ref = a.account_key
    where a.is_match
    union all
    select source, loser_id, known_to, null from desk_merges where known_to is not null
),

points as (
    select m.source, m.source_id, m.at, max(m.valid_at) as valid_at
    from moments as m
    join births as b on b.source = m.source and b.source_id = m.source_id
    where m.at >= b.at
    group by m.source, m.source_id, m.at
),

facts as (
    select
        p.source,
        p.source_id,
        p.at,
        p.valid_at,
        o.entity,
        o.method,
        o.crm_account_id,
        o.known_from as said_at
    from points as p
    join other_spans as o
        on o.source = p.source
        and o.source_id = p.source_id
        and o.known_from <= p.at
        and (o.known_to is null or o.known_to > p.at)
),

answered as (
    select
        f.source,
        f.source_id,
        f.at,
        max(case when a.is_match then a.account_key end) as said_key,
        max(r.account_key) as account_key,
        max(cast(a.account_key = '*' as integer)) as is_none
    from facts as f
    join answers as a
        on a.source = f.source
        and a.source_id = f.source_id
        and a.known_from <= f.at
        and (a.known_to is null or a.known_to > f.at)
    left join account_refs as r
        on a.is_match and r.ref = a.account_key and r.at <= f.at and (r.until is null or r.until > f.at)
    group by f.source, f.source_id, f.at
),

explicit as (
    select
        f.source,
        f.source_id,
        f.at,
        count(distinct r.account_key) as n_accounts,
        min(r.account_key) as account_key
    from facts as f
    join account_refs as r
        on r.ref = f.crm_account_id and r.at <= f.at and (r.until is null or r.until > f.at)
    group by f.source, f.source_id, f.at
),

by_domain as (
    select
        f.source,
        f.source_id,
        f.at,
        count(distinct d.account_key) as n_accounts,
        min(d.account_key) as account_key,
        count(distinct case when not d.is_deleted then d.account_key end) as n_live,
        min(case when not d.is_deleted then d.account_key end) as live_key
    from facts as f
    join own_domains as o on o.source = f.source and o.source_id = f.source_id and o.known_from = f.said_at
    join domain_steps as d on d.domain = o.domain and d.at <= f.at and (d.until is null or d.until > f.at)
    group by f.source, f.source_id, f.at
),

found as (
    select
        f.source,
        f.source_id,
        f.entity,
        f.at,
        f.valid_at,
        case
            when a.said_key is not null then a.account_key
            when a.is_none = 1 then null
            when f.crm_account_id is not null then case when e.n_accounts = 1 then e.account_key end
            when d.n_live = 1 then d.live_key
            when d.n_live = 0 and d.n_accounts = 1 then d.account_key
        end as account_key,
        case
            when a.said_key is not null then 'answer'
            when f.crm_account_id is not null then f.method
            else 'domain'
        end as method,
        case
            when a.said_key is not null then 'the answered account is not known'
            when a.is_none = 1 then 'answered: no account'
            when f.crm_account_id is not null and e.n_accounts > 1 then 'several CRMs have the id'
            when f.crm_account_id is not null then 'no CRM account has the id'
            when d.n_accounts > 1 then 'several accounts have the domain'
            else 'no id and no domain of its own'
        end as open_reason
    from facts as f
    left join answered as a on a.source = f.source and a.source_id = f.source_id and a.at = f.at
    left join explicit as e on e.source = f.source and e.source_id = f.source_id and e.at = f.at
    left join by_domain as d on d.source = f.source and d.source_id = f.source_id and d.at = f.at
),

-- A person answered that this account is not the right one.
refused as (
    select f.source, f.source_id, f.at
    from found as f
    join answers as a
        on a.source = f.source
        and a.source_id = f.source_id
        and a.known_from <= f.at
        and (a.known_to is null or a.known_to > f.at)
    join account_refs as r
        on r.ref = a.account_key and r.at <= f.at and (r.until is null or r.until > f.at)
    where not a.is_match and r.account_key = f.account_key and f.method <> 'answer'
    group by f.source, f.source_id, f.at
),

alone as (
    select
        f.source,
        f.source_id,
        f.entity,
        f.at,
        lead(f.at) over (partition by f.source, f.source_id order by f.at) as until,
        f.valid_at,
        b.born_at,
        case when r.at is null then f.account_key end as account_key,
        case when r.at is null and f.account_key is not null then f.method else 'none' end as method,
        case
            when r.at is not null then 'answered: not this account'
            when f.account_key is null then f.open_reason
        end as open_reason
    from found as f
    join births as b on b.source = f.source and b.source_id = f.source_id
    left join refused as r on r.source = f.source and r.source_id = f.source_id and r.at = f.at
),

judged as (
    select
        o.source,
        o.source_id,
        o.entity,
        o.at,
        o.valid_at,
        o.born_at,
        o.account_key,
        o.method,
        o.open_reason
    from alone as o
    left join desk_merges as m
        on m.source = o.source
        and m.loser_id = o.source_id
        and m.known_from <= o.at
        and (m.known_to is null or m.known_to > o.at)
    where m.loser_id is null
    union all
    select
        m.source,
        m.loser_id,
        o.entity,
        greatest(o.at, m.known_from),
        case when o.at > m.known_from then o.valid_at else coalesce(m.merged_at, m.known_from) end,
        m.born_at,
        o.account_key,
        case when o.account_key is null then 'none' else 'merged' end,
        o.open_reason
    from desk_merges as m
    join alone as o
        on o.source = m.source
        and o.source_id = m.survivor_id
        and coalesce(o.until, 'infinity') > m.known_from
        and (m.known_to is null or o.at < m.known_to)
    union all
    select
        k.source,
        k.account_id,
        'account',
        k.at,
        k.valid_at,
        coalesce(b.born_at, k.valid_at, k.at),
        k.account_key,
        k.method,
        null
    from crm_keys as k
    left join crm_births as b on b.source = k.source and b.account_id = k.account_id
),

compared as (
    select
        *,
        concat_ws('|', coalesce(account_key, ''), method, open_reason) as said,
        lag(concat_ws('|', coalesce(account_key, ''), method, open_reason))
            over (partition by source, source_id order by at) as said_before
    from judged
),

changes as (
    select
        source,
        source_id,
        entity,
        account_key,
        method,
        open_reason,
        at as known_from,
        row_number() over (partition by source, source_id order by at) as version_no,
        case
            when said_before is null then born_at
            else greatest(coalesce(valid_at, born_at), born_at)
        end as valid_from
    from compared
    where said_before is null or said <> said_before
),

-- The end of each version's validity, as believed after each later version arrived.
beliefs as (
    select
        c.*,
        l.known_from as believed_from,
        min(case when l.version_no > c.version_no then l.valid_from end)
            over (partition by c.source, c.source_id, c.version_no order by l.version_no rows unbounded preceding)
            as valid_to
    from changes as c
    join changes as l on l.source = c.source and l.source_id = c.source_id and l.version_no >= c.version_no
),

new_beliefs as (
    select
        *,
        lag(coalesce(valid_to, 'infinity'))
            over (partition by source, source_id, version_no order by believed_from) as valid_to_before
    from beliefs
),

spans as (
    select
        *,
        lead(believed_from) over (partition by source, source_id, version_no order by believed_from) as believed_to
    from new_beliefs
    where valid_to_before is null or valid_to_before <> coalesce(valid_to, 'infinity')
)

select
    source,
    source_id,
    entity,
    version_no,
    account_key,
    method,
    case
        when method = 'none' then cast(0 as double precision)
        when method = 'domain' then cast(0.995 as double precision)
        else cast(1 as double precision)
    end as confidence,
    open_reason,
    valid_from,
    valid_to,
    believed_from as known_from,
    believed_to as known_to
from spans
where valid_to is null or valid_to > valid_from
