-- Purpose: tickets with their times, by account.
-- Grain: ticket. Inputs: desk tickets and ratings, the bridge. Window: none.
-- Caveats: the desk gives the newest state only, so a reopened ticket counts as open since its creation; deleted
-- ones stay here, marked, and count nowhere; tickets of organisations without an account are not here.
with tickets as (
    select * from staging.stg_support__ticket
),

ratings as (
    select * from staging.stg_support__rating
),

bridge as (
    select * from core.account_bridge
),

last_ratings as (
    select
        source,
        ticket_id,
        score,
        updated_at,
        row_number() over (partition by source, ticket_id order by updated_at desc, rating_id desc) as age
    from ratings
    where not is_deleted and (score like 'good%' or score like 'bad%')
)

select
    t.source || ':' || t.ticket_id as ticket_key,
    b.account_key,
    t.source,
    t.ticket_id,
    t.status,
    t.priority,
    t.ticket_type,
    t.channel,
    t.created_at,
    cast(t.created_at at time zone :zone as date) as created_day,
    case when t.status in ('solved', 'closed') then coalesce(t.solved_at, t.updated_at) end as solved_at,
    case
        when t.status in ('solved', 'closed')
            then greatest(
                cast(coalesce(t.solved_at, t.updated_at) at time zone :zone as date),
                cast(t.created_at at time zone :zone as date)
            )
    end as solved_day,
    t.is_deleted or t.status = 'deleted' as is_deleted,
    t.first_reply_minutes,
    t.first_reply_business_minutes,
    t.first_resolution_minutes,
    t.full_resolution_minutes,
    t.requester_wait_minutes,
    t.agent_wait_minutes,
    t.n_reopens,
    t.n_replies,
    case
        when coalesce(r.score, t.satisfaction) like 'good%' then 'good'
        when coalesce(r.score, t.satisfaction) like 'bad%' then 'bad'
    end as rating,
    cast(coalesce(r.updated_at, t.updated_at) at time zone :zone as date) as rated_day
from tickets as t
join bridge as b on b.source = t.source and b.source_id = t.organization_id
left join last_ratings as r on r.source = t.source and r.ticket_id = t.ticket_id and r.age = 1
where b.account_key is not null
    and t.created_at is not null
    and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
