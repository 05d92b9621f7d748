-- Purpose: the same person in CRM, desk and product, matched by address.
-- Grain: record and address. Inputs: contacts, desk users, product users, the bridge. Window: none.
-- Caveats: a person may have several addresses, connected by a record that has them all. A department's address
-- connects nobody. The desk's agents and the product's bots are left out.
with recursive bridge as (
    select * from core.account_bridge
),

contact_versions as (
    select *, row_number() over (partition by source, contact_id order by known_from desc, batch_id desc) as age
    from staging.stg_crm__contact
    where known_from <= :known_at
),

records as (
    select
        'contact' as record_kind,
        source || ':' || contact_id as record_key,
        source,
        account_id as source_account_id,
        concat_ws(',', email, other_emails) as addresses
    from contact_versions
    where age = 1 and not is_deleted
    union all
    select 'support_user', source || ':' || user_id, source, organization_id, email
    from staging.stg_support__user
    where not is_deleted and coalesce(role, 'end-user') = 'end-user'
    union all
    select 'product_user', source || ':' || user_id, source, product_account_id, email
    from staging.stg_product__user
    where not is_deleted and not is_bot
),

split_addresses as (
    select record_kind, record_key, source, source_account_id, lower(trim(one)) as address
    from (
        select record_kind, record_key, source, source_account_id, unnest(string_to_array(addresses, ',')) as one
        from records
    ) as each_address
),

addresses as (
    select distinct record_kind, record_key, source, source_account_id, address
    from split_addresses
    where address like '%_@_%'
),

-- Shared mailboxes do not identify a single person.
personal as (
    select *
    from addresses
    where split_part(address, '@', 1) not in (
        'accounting', 'accounts', 'admin', 'billing', 'contact', 'finance', 'hello', 'help', 'hr', 'info', 'invoices',
        'it', 'legal', 'mail', 'marketing', 'no-reply', 'noreply', 'office', 'operations', 'ops', 'procurement',
        'purchasing', 'sales', 'security', 'service', 'support', 'team'
    )
),

ties as (
    select distinct a.address, b.address as other
    from personal as a
    join personal as b
        on b.record_kind = a.record_kind and b.record_key = a.record_key and b.address <> a.address
),

tied as (
    select address, other from ties
    union
    select t.address, n.other
    from tied as t
    join ties as n on n.address = t.other
),

roots as (
    select address, least(address, min(other)) as root from tied group by address
),

people as (
    select
        p.record_kind,
        p.record_key,
        p.address,
        min(p.record_kind || ' ' || p.record_key) over (partition by coalesce(r.root, p.address)) as person_key
    from personal as p
    left join roots as r on r.address = p.address
),

-- A record with only a shared mailbox is a separate person.
keys as (
    select record_kind, record_key, min(person_key) as person_key from people group by record_kind, record_key
)

select
    coalesce(k.person_key, a.record_kind || ' ' || a.record_key) as person_key,
    a.record_kind,
    a.record_key,
    a.address,
    b.account_key,
    count(*) over (partition by coalesce(k.person_key, a.record_kind || ' ' || a.record_key)) as n_records
from addresses as a
left join keys as k on k.record_kind = a.record_kind and k.record_key = a.record_key
left join bridge as b on b.source = a.source and b.source_id = a.source_account_id
