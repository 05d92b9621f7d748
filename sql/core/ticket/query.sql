-- Purpose: tickets with their times, by account.
-- Grain: ticket. Inputs: tickets with events and ratings, users and their roles, the bridge, SLA targets. Window: none.
-- Caveats: deleted tickets are marked and count nowhere; tickets without an account are left out. The first answer is
-- the first public comment after the customer's first message by a person who was not a customer then. Desks without
-- events, and conversations, use the desk's own times. SLA targets use the priority at the time. A ticket that the
-- desk opened has none until the customer writes in it. Side conversations among agents are not the customer's tickets.
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
),

matched as (
    select t.*, b.account_key
    from tickets as t
    join bridge as b on b.source = t.source and b.source_id = t.organization_id
    where b.account_key is not null
        and t.created_at is not null
        and t.channel is distinct from 'side_conversation'
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

-- Only of these tickets: for a few accounts these are a few rows, found by ticket.
events as (
    select e.source, e.ticket_id, e.event_type, e.new_value, e.actor_id, e.is_public, e.happened_at, e.event_id
    from matched as m
    join staging.stg_support__ticket_event as e on e.source = m.source and e.ticket_id = m.ticket_id
    where not e.is_deleted and e.happened_at is not null
),

-- Public comments, and whether their author worked at the desk when writing; the requester never does.
words as (
    select
        m.source,
        m.ticket_id,
        m.created_at,
        e.happened_at,
        e.actor_id <> coalesce(m.requester_id, '') and coalesce(r.role, u.role, 'agent') in ('agent', 'admin')
            as is_desk,
        extract(epoch from (e.happened_at - m.created_at)) <= 60 as is_with_ticket
    from matched as m
    join events as e on e.source = m.source and e.ticket_id = m.ticket_id
    left join staging.stg_support__user_role as r
        on r.source = e.source and r.user_id = e.actor_id
        and e.happened_at >= r.valid_from and (r.valid_to is null or e.happened_at < r.valid_to)
    left join staging.stg_support__user as u on u.source = e.source and u.user_id = e.actor_id
    where e.event_type = 'comment' and e.is_public and e.actor_id is not null
),

-- The creation of a ticket counts as the customer's message, unless the desk wrote the first comment with it.
first_words as (
    select
        source,
        ticket_id,
        case
            when max(case when is_desk and is_with_ticket then 1 else 0 end) = 0
                then min(created_at)
            when max(case when not is_desk and is_with_ticket then 1 else 0 end) = 1
                then min(created_at)
            else min(case when not is_desk then happened_at end)
        end as asked_at
    from words
    group by source, ticket_id
),

answers as (
    select w.source, w.ticket_id, min(w.happened_at) as answered_at
    from words as w
    join first_words as f on f.source = w.source and f.ticket_id = w.ticket_id
    where w.is_desk and w.happened_at > f.asked_at
    group by w.source, w.ticket_id
),

with_events as (
    select distinct source, ticket_id from events where event_type = 'comment'
),

clocked as (
    select
        m.*,
        a.answered_at,
        case when f.ticket_id is null then m.created_at else f.asked_at end as asked_at,
        coalesce(m.channel, '') in (
            'native_messaging', 'messaging', 'chat', 'chat_transcript', 'whatsapp', 'facebook', 'facebook_messenger',
            'instagram_dm', 'line', 'wechat', 'telegram', 'viber', 'sms', 'twitter_dm', 'voice', 'apple_business_chat'
        ) as is_conversation,
        coalesce(m.tags like '%closed_by_merge%', false) as is_merged,
        case when m.status in ('solved', 'closed') then coalesce(m.solved_at, m.updated_at) end as finished_at,
        case
            when h.ticket_id is null then m.first_reply_minutes
            when a.answered_at is not null
                then cast(floor(extract(epoch from (a.answered_at - f.asked_at)) / 60) as bigint)
        end as own_reply_minutes
    from matched as m
    left join answers as a on a.source = m.source and a.ticket_id = m.ticket_id
    left join first_words as f on f.source = m.source and f.ticket_id = m.ticket_id
    left join with_events as h on h.source = m.source and h.ticket_id = m.ticket_id
),

timed as (
    select *, case when is_conversation then coalesce(own_reply_minutes, first_reply_minutes) else own_reply_minutes end
        as reply_minutes
    from clocked
),

-- The ticket's priority when it was answered, and when it was solved.
priorities as (
    select
        t.source,
        t.ticket_id,
        e.new_value as priority,
        row_number() over (
            partition by t.source, t.ticket_id
            order by
                case
                    when extract(epoch from (e.happened_at - coalesce(t.asked_at, t.created_at)))
                        < 60 * (coalesce(t.reply_minutes, 0) + 1)
                    then 0 else 1 end,
                e.happened_at desc,
                e.event_id desc
        ) as age_at_reply,
        row_number() over (
            partition by t.source, t.ticket_id
            order by
                case when t.finished_at is null or e.happened_at <= t.finished_at then 0 else 1 end,
                e.happened_at desc,
                e.event_id desc
        ) as age_at_end
    from timed as t
    join events as e on e.source = t.source and e.ticket_id = t.ticket_id
    where e.event_type = 'priority' and e.new_value is not null
),

promised as (
    select
        t.source,
        t.ticket_id,
        coalesce(max(case when p.age_at_reply = 1 then p.priority end), max(t.priority)) as priority_at_reply,
        coalesce(max(case when p.age_at_end = 1 then p.priority end), max(t.priority)) as priority_at_end
    from timed as t
    left join priorities as p on p.source = t.source and p.ticket_id = t.ticket_id
    group by t.source, t.ticket_id
)

select
    t.source || ':' || t.ticket_id as ticket_key,
    t.account_key,
    t.source,
    t.ticket_id,
    t.status,
    t.priority,
    t.ticket_type,
    t.channel,
    t.created_at,
    cast(t.created_at at time zone :zone as date) as created_day,
    t.finished_at as solved_at,
    -- GREATEST ignores nulls: an unsolved ticket must not count as solved at its creation.
    case
        when t.finished_at is not null
            then greatest(
                cast(t.finished_at at time zone :zone as date), cast(t.created_at at time zone :zone as date)
            )
    end as solved_day,
    t.is_deleted or t.status = 'deleted' as is_deleted,
    t.is_merged,
    t.reply_minutes as first_reply_minutes,
    t.asked_at is not null
        and (t.reply_minutes is not null
            or not (t.is_merged or (t.is_conversation and t.finished_at is not null)))
        as is_reply_known,
    t.first_reply_business_minutes,
    t.first_resolution_minutes,
    t.full_resolution_minutes,
    t.full_resolution_business_minutes,
    t.requester_wait_minutes,
    t.agent_wait_minutes,
    t.n_reopens,
    t.n_replies,
    case when t.asked_at is not null then f.first_reply_minutes end as first_reply_promised_minutes,
    g.resolution_minutes as resolution_promised_minutes,
    f.business_hours as is_reply_in_business,
    g.business_hours as is_resolution_in_business,
    g.stops_while_pending,
    -- What took so few calendar minutes took so few business minutes, too.
    case
        when not coalesce(f.business_hours, false) then t.reply_minutes
        when t.first_reply_business_minutes is not null then t.first_reply_business_minutes
        when t.reply_minutes <= f.first_reply_minutes then t.reply_minutes
    end as reply_counted_minutes,
    case
        when t.full_resolution_minutes is null then null
        when not coalesce(g.business_hours, false)
            then case when g.stops_while_pending then t.requester_wait_minutes else t.full_resolution_minutes end
        when g.stops_while_pending and t.requester_wait_business_minutes is not null
            then t.requester_wait_business_minutes
        when not g.stops_while_pending and t.full_resolution_business_minutes is not null
            then t.full_resolution_business_minutes
        when t.full_resolution_minutes <= g.resolution_minutes then t.full_resolution_minutes
    end as resolution_counted_minutes,
    case
        when coalesce(r.score, t.satisfaction) like 'good%' then 'good'
        when coalesce(r.score, t.satisfaction) like 'bad%' then 'bad'
    end as rating,
    cast(coalesce(r.updated_at, t.updated_at) at time zone :zone as date) as rated_day
from timed as t
join promised as p on p.source = t.source and p.ticket_id = t.ticket_id
left join meta.sla_target as f on f.priority = p.priority_at_reply
left join meta.sla_target as g on g.priority = p.priority_at_end
left join last_ratings as r on r.source = t.source and r.ticket_id = t.ticket_id and r.age = 1
