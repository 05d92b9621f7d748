-- Purpose: account owners and their addresses.
-- Grain: owner. Inputs: CRM owner versions. Window: none.
-- Caveat: a CRM empties the name and address of a deactivated owner; the table keeps the last known ones.
with owner_versions as (
    select * from staging.stg_crm__owner where known_from <= :known_at
),

newest_versions as (
    select
        *,
        row_number() over (partition by source, owner_id order by known_from desc, batch_id desc) as age
    from owner_versions
),

-- The last version with an address or a name.
last_known as (
    select
        source,
        owner_id,
        email,
        first_name,
        last_name,
        team,
        row_number() over (partition by source, owner_id order by known_from desc, batch_id desc) as age
    from owner_versions
    where email is not null or last_name is not null
)

select
    n.source || ':' || n.owner_id as owner_key,
    n.source,
    n.owner_id,
    coalesce(n.email, k.email) as email,
    coalesce(
        nullif(trim(concat_ws(' ', coalesce(n.first_name, k.first_name), coalesce(n.last_name, k.last_name))), ''),
        n.email,
        k.email
    ) as name,
    coalesce(n.team, k.team) as team,
    n.owner_type,
    n.is_active and not n.is_deleted as is_active
from newest_versions as n
left join last_known as k on k.source = n.source and k.owner_id = n.owner_id and k.age = 1
where n.age = 1
