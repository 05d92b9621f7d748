-- Purpose: inputs of the signals about people.
-- Grain: contact who is a decision maker, champion or executive. Inputs: contact versions, their product usage by
-- address, the account's row. Window: none; as of today.
-- Caveats: CRM and product are matched by address. A removed contact shows its last known account. A change is known
-- from the load that brought it; earlier changes come from the vendor's history.
with subjects as (
    select * from marts.act_account
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

bridge as (
    select * from core.account_bridge
),

past_states as (
    select
        *,
        row_number() over (partition by source, contact_id order by valid_from desc) as age
    from staging.stg_crm__contact_history
    where known_from <= :known_at
),

loaded as (
    select
        v.*,
        -- The state of the first load also applied before it. The vendor's history may say since when.
        case
            when not coalesce(v.is_first_load, false) then v.known_from
            when v.is_deleted then coalesce(v.deleted_at, v.source_at, v.known_from)
            else coalesce(p.valid_from, v.created_at, v.known_from)
        end as since
    from staging.stg_crm__contact as v
    left join past_states as p on p.source = v.source and p.contact_id = v.contact_id and p.age = 1
    where v.known_from <= :known_at
),

states as (
    select
        source, contact_id, account_id, email, first_name, last_name, job_title, role, is_deleted, created_at, since,
        batch_id as position
    from loaded
    union all
    select
        v.source, v.contact_id, coalesce(p.account_id, v.account_id), v.email, v.first_name, v.last_name,
        p.job_title, p.role, false, v.created_at, p.valid_from, -p.age
    from past_states as p
    join loaded as v on v.source = p.source and v.contact_id = p.contact_id and v.is_first_load
    where p.age > 1 or v.is_deleted
),

versions as (
    select
        v.source || ':' || v.contact_id as contact_key,
        b.account_key,
        lower(v.email) as email,
        nullif(trim(concat_ws(' ', v.first_name, v.last_name)), '') as name,
        v.job_title,
        v.role,
        v.is_deleted,
        v.since as known_from,
        v.created_at,
        row_number() over w as age,
        lead(b.account_key) over w as account_key_before,
        lead(v.role) over w as role_before,
        lead(v.since) over w as known_before,
        lead(coalesce(b.account_key, '') || '|' || coalesce(v.role, '')) over w as place_before,
        coalesce(b.account_key, '') || '|' || coalesce(v.role, '') as place
    from states as v
    left join bridge as b on b.source = v.source and b.source_id = v.account_id
    where cast(v.since at time zone :zone as date) <= :newest
    window w as (partition by v.source, v.contact_id order by v.since desc, v.position desc)
),

-- When and how the person's position last changed.
changes as (
    select
        contact_key,
        account_key_before,
        role_before,
        known_from as changed_at,
        row_number() over (partition by contact_key order by known_from desc) as age
    from versions
    where known_before is not null and place <> place_before
),

people as (
    select
        v.contact_key,
        coalesce(v.account_key, c.account_key_before) as account_key,
        v.email,
        v.name,
        v.job_title,
        v.role,
        v.is_deleted,
        v.known_from,
        v.created_at,
        c.changed_at,
        c.role_before,
        c.account_key_before,
        coalesce(v.role, '') || ';' || coalesce(c.role_before, '') as roles,
        v.account_key as account_key_now
    from versions as v
    left join changes as c on c.contact_key = v.contact_key and c.age = 1
    where v.age = 1
),

key_people as (
    select
        *,
        roles like '%decision%maker%' or roles like '%champion%' as is_key,
        coalesce(lower(job_title), '') ~ '(^|[^a-z])(ceo|cfo|coo|cto|cio|cco|chief|president|vp|head of)([^a-z]|$)'
            as is_executive
    from people
),

addresses as (
    select distinct p.account_key, p.email
    from key_people as p
    join subjects as s on s.account_key = p.account_key
    where p.is_key and p.email is not null
),

users as (
    select u.account_key, u.user_key, a.email
    from core.product_user as u
    join addresses as a on a.account_key = u.account_key and a.email = lower(u.email)
    where not u.is_bot and not u.is_deleted
),

-- Computed once for all people: PostgreSQL expects a single row, and would repeat it for each person.
activity as materialized (
    select
        u.account_key,
        u.email,
        max(d.day) as last_active_on,
        count(distinct case when d.day <= cast(:newest as date) - 21 then d.day end) as n_active_days_before
    from users as u
    join core.usage_day as d on d.account_key = u.account_key and d.user_key = u.user_key
    where d.is_value_event and d.day > cast(:newest as date) - 84 and d.day <= :newest
    group by u.account_key, u.email
)

select
    s.as_of_day,
    p.contact_key,
    s.account_key,
    s.account_name,
    s.tier,
    s.industry,
    s.region,
    s.arr,
    s.currency,
    s.days_as_customer,
    s.next_decision_date,
    s.days_to_decision,
    s.owner_key,
    s.owner_name,
    s.owner_email,
    s.owner_team,
    s.owner_is_active,
    s.crm_account_id,
    s.crm_source,
    p.name as contact_name,
    p.job_title,
    p.role,
    p.is_key,
    p.is_executive,
    p.is_deleted as is_gone,
    case when p.is_deleted then cast(:newest as date) - cast(p.known_from at time zone :zone as date) end as days_gone,
    p.changed_at is not null and (p.account_key_before is distinct from p.account_key_now) as has_moved,
    case
        when p.changed_at is not null
            then cast(:newest as date) - cast(p.changed_at at time zone :zone as date)
    end as days_since_change,
    p.role_before,
    cast(:newest as date) - cast(p.created_at at time zone :zone as date) as days_known,
    a.last_active_on,
    cast(:newest as date) - a.last_active_on as days_silent,
    a.n_active_days_before
from key_people as p
join subjects as s on s.account_key = p.account_key
left join activity as a on a.account_key = p.account_key and a.email = p.email
where p.is_key or p.is_executive
