-- Purpose: role coverage by day.
-- Grain: account and day of change. Inputs: CRM contact versions, the vendor's history, the bridge.
-- Window: none. Caveat: a contact's first version applies from its creation, unless the vendor has its history.
with contact_versions as (
    select * from staging.stg_crm__contact
),

past_states as (
    select * from staging.stg_crm__contact_history
),

bridge as (
    select * from core.account_bridge
),

backfilled as (
    select
        p.*,
        row_number() over (partition by p.source, p.contact_id order by p.valid_from desc) - 1 as n_later
    from past_states as p
    where p.known_from <= :known_at
),

versions as (
    select
        v.source || ':' || v.contact_id as contact_key,
        b.account_key,
        case
            when row_number() over (partition by v.source, v.contact_id order by v.known_from, v.batch_id) = 1
                then cast(
                    coalesce(
                        p.valid_from,
                        least(coalesce(v.created_at, v.source_at, v.known_from), coalesce(v.source_at, v.known_from))
                    )
                    at time zone :zone as date)
            else cast(coalesce(v.deleted_at, v.source_at, v.known_from) at time zone :zone as date)
        end as from_day,
        row_number() over (partition by v.source, v.contact_id order by v.known_from, v.batch_id) as version_no,
        cast(not v.is_deleted as integer) as n_contacts,
        cast(not v.is_deleted and coalesce(v.role like '%decision%maker%', false) as integer) as n_decision_makers,
        cast(not v.is_deleted and coalesce(v.role like '%champion%', false) as integer) as n_champions,
        cast(not v.is_deleted and coalesce(v.role like '%user%', false) as integer) as n_end_users,
        cast(not v.is_deleted and coalesce(v.role like '%veto%' or v.role like '%legal%', false) as integer) as n_vetoes
    from contact_versions as v
    left join bridge as b on b.source = v.source and b.source_id = v.account_id
    left join backfilled as p on p.source = v.source and p.contact_id = v.contact_id and p.n_later = 0
    where v.known_from <= :known_at
    union all
    select
        p.source || ':' || p.contact_id,
        b.account_key,
        cast(p.valid_from at time zone :zone as date),
        1 - p.n_later,
        1,
        cast(coalesce(p.role like '%decision%maker%', false) as integer),
        cast(coalesce(p.role like '%champion%', false) as integer),
        cast(coalesce(p.role like '%user%', false) as integer),
        cast(coalesce(p.role like '%veto%' or p.role like '%legal%', false) as integer)
    from backfilled as p
    left join bridge as b on b.source = p.source and b.source_id = p.account_id
    where p.n_later > 0
),

-- Of several versions that start on one day the last one counts. A version never counts before one that arrived
-- earlier.
last_of_day as (
    select
        *,
        row_number() over (partition by contact_key, from_day order by version_no desc) as age,
        max(version_no) over (partition by contact_key order by from_day range unbounded preceding) as newest_so_far
    from versions
),

spans as (
    select *, lead(from_day) over (partition by contact_key order by from_day) as to_day
    from last_of_day
    where age = 1 and version_no = newest_so_far
),

deltas as (
    select account_key, from_day as day, n_contacts, n_decision_makers, n_champions, n_end_users, n_vetoes from spans
    union all
    select account_key, to_day, -n_contacts, -n_decision_makers, -n_champions, -n_end_users, -n_vetoes
    from spans
    where to_day is not null
),

daily as (
    select
        account_key,
        day as from_day,
        sum(n_contacts) as n_contacts,
        sum(n_decision_makers) as n_decision_makers,
        sum(n_champions) as n_champions,
        sum(n_end_users) as n_end_users,
        sum(n_vetoes) as n_vetoes
    from deltas
    where account_key is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key, day
)

select
    account_key,
    from_day,
    cast(sum(n_contacts) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_contacts,
    cast(sum(n_decision_makers) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_decision_makers,
    cast(sum(n_champions) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_champions,
    cast(sum(n_end_users) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_end_users,
    cast(sum(n_vetoes) over (partition by account_key order by from_day rows unbounded preceding) as integer)
        as n_vetoes
from daily
where n_contacts <> 0 or n_decision_makers <> 0 or n_champions <> 0 or n_end_users <> 0 or n_vetoes <> 0
