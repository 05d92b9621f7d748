-- Purpose: days on which competitors were named. Grain: account and day.
-- Inputs: ticket comments, notes, lost reasons, the bridge.
-- Window: none. Caveat: a setting lists the names; without names there are no rows.
with bridge as (
    select * from core.account_bridge
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

said as (
    select
        source,
        organization_id as source_id,
        cast(created_at at time zone :zone as date) as day,
        body as words,
        ticket_id
    from staging.stg_support__ticket_comment
    where not is_deleted
    union all
    select source, account_id, cast(happened_at at time zone :zone as date), subject, null
    from staging.stg_crm__activity
    where not is_deleted and subject is not null
),

mentions as (
    select b.account_key, s.day, s.words, s.source, s.ticket_id
    from said as s
    join bridge as b on b.source = s.source and b.source_id = s.source_id
    union all
    select account_key, close_date, lost_reason, null, null
    from core.opportunity
    where not is_deleted
        and is_closed
        and lost_reason is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
)

select account_key, day, cast(count(*) as integer) as n_mentions
from mentions
where account_key is not null
    and day is not null
    and exists (
        select 1 from unnest(cast(:competitors as text[])) as known (name)
        where position(known.name in lower(mentions.words)) > 0
    )
    -- In side conversations colleagues talk among themselves.
    and not exists (
        select 1 from staging.stg_support__ticket as t
        where t.source = mentions.source and t.ticket_id = mentions.ticket_id and t.channel = 'side_conversation'
    )
group by account_key, day
