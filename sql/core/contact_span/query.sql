-- Purpose: which contact was in which account, with which roles, from day to day.
-- Grain: contact and first day. Inputs: CRM contact versions, the vendor's history, the bridge.
-- Window: none. Caveats: a contact's first version applies from its creation, unless the vendor has its history. A
-- contact that moves to another account, is deleted or has another version starts a new span, even with equal roles.
with bridge as (
    select * from core.account_bridge
),

records as (
    select source, contact_id, account_id from staging.stg_crm__contact
    union
    select source, contact_id, account_id from staging.stg_crm__contact_history
),

-- Whoever was ever in one of the accounts, with the versions in other accounts.
listed as (
    select distinct r.source, r.contact_id
    from records as r
    join bridge as b on b.source = r.source and b.source_id = r.account_id
    where (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

backfilled as (
    select
        p.*,
        row_number() over (partition by p.source, p.contact_id order by p.valid_from desc) - 1 as n_later
    from staging.stg_crm__contact_history as p
    join listed as l on l.source = p.source and l.contact_id = p.contact_id
    where p.known_from <= :known_at
),

versions as (
    select
        v.source,
        v.contact_id,
        v.account_id,
        v.role,
        v.is_deleted,
        case
            when row_number() over w = 1
                then coalesce(
                    p.valid_from,
                    least(coalesce(v.created_at, v.source_at, v.known_from), coalesce(v.source_at, v.known_from))
                )
            else coalesce(v.deleted_at, v.source_at, v.known_from)
        end as valid_from,
        row_number() over w as version_no
    from staging.stg_crm__contact as v
    join listed as l on l.source = v.source and l.contact_id = v.contact_id
    left join backfilled as p on p.source = v.source and p.contact_id = v.contact_id and p.n_later = 0
    where v.known_from <= :known_at
    window w as (partition by v.source, v.contact_id order by v.known_from, v.batch_id)
    union all
    select source, contact_id, account_id, role, false, valid_from, 1 - n_later from backfilled where n_later > 0
),

days as (
    select *, cast(valid_from at time zone :zone as date) as from_day from versions
),

-- Of several versions that start on one day the last one counts. A version never counts before one that arrived
-- earlier.
last_of_day as (
    select
        *,
        row_number() over (partition by source, contact_id, from_day order by version_no desc) as age,
        max(version_no) over (partition by source, contact_id order by from_day range unbounded preceding)
            as newest_so_far
    from days
),

spans as (
    select *, lead(from_day) over (partition by source, contact_id order by from_day) as to_day
    from last_of_day
    where age = 1 and version_no = newest_so_far
)

select
    s.source || ':' || s.contact_id as contact_key,
    b.account_key,
    s.from_day,
    s.to_day,
    coalesce(s.role like '%decision%maker%', false) as is_decision_maker,
    coalesce(s.role like '%champion%', false) as is_champion,
    coalesce(s.role like '%user%', false) as is_end_user,
    coalesce(s.role like '%veto%' or s.role like '%legal%', false) as is_veto
from spans as s
join bridge as b on b.source = s.source and b.source_id = s.account_id
where not s.is_deleted
    and b.account_key is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
