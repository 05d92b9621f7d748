-- Purpose: the inputs of the health score for each day.
-- Grain: customer account and day. Inputs: account days, usage, tickets, texts, survey answers, invoices, milestones.
-- Window: days [start, end); reads usage of 14 days before, and events as far back as each figure needs.
-- Caveats: only days with kept ARR, from the 14th on; daily for 400 days, month ends before that. A value without a
-- source is null, never 0. Usage keeps its last known value for 14 days; usage_known_on is its day.
with bridge as (
    select * from core.account_bridge
),

excluded as (
    select account_key from core.account where is_excluded
),

-- A returning customer starts again.
starts as (
    select
        s.account_key,
        s.from_day as customer_since,
        lead(s.from_day) over (partition by s.account_key order by s.from_day) as to_day
    from (
        select
            account_key,
            from_day,
            kept_arr,
            lag(kept_arr) over (partition by account_key order by from_day) as before
        from core.arr_step
        where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    ) as s
    where s.kept_arr > 0 and coalesce(s.before, 0) <= 0
),

grid as (
    select
        d.*,
        d.day - s.customer_since as days_as_customer
    from marts.account_day as d
    join starts as s
        on s.account_key = d.account_key and d.day >= s.customer_since and (s.to_day is null or d.day < s.to_day)
    left join excluded as x on x.account_key = d.account_key
    where d.day >= :start and d.day < :end
        and d.is_customer
        and x.account_key is null
        and d.day >= s.customer_since + 14
        and (cast(:accounts as text[]) is null or d.account_key = any(cast(:accounts as text[])))
),

pauses as (
    select account_key, from_day, coalesce(to_day, cast(:end as date)) as to_day
    from (
        select *, lead(from_day) over (partition by account_key order by from_day) as to_day
        from core.arr_step
        where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    ) as s
    where paused_arr > 0 and coalesce(arr, 0) = 0
),

-- Days with known usage, up to 14 before the window.
known_use as (
    select account_key, day, usage_ratio, usage_season, active_seat_share, breadth, active_users_28d
    from marts.account_day
    where day >= cast(:start as date) - 14 and day < :end
        and active_users_28d is not null
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Usage of 28 days says nothing if one of them was paused, nor does usage from before a pause.
use_of_days as (
    select g.account_key, g.day, max(k.day) as usage_known_on
    from grid as g
    join known_use as k on k.account_key = g.account_key and k.day <= g.day and k.day > g.day - 14
    where not exists (
        select 1 from pauses as p where p.account_key = g.account_key and p.from_day <= g.day and p.to_day > k.day - 27
    )
    group by g.account_key, g.day
),

user_days as (
    select account_key, day, n_user_days_28d, n_days_known
    from core.usage_28d
    where day >= cast(:start as date) - 182 and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

people as (
    select account_key, day, n_deep_users
    from core.people_28d
    where day >= cast(:start as date) - 14 and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

feature_days as (
    select account_key, day, feature, n_events_28d
    from core.feature_28d
    where day >= cast(:start as date) - 98 and day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Days back to the end of the current window and of the three before it.
windows as (
    select 0 as days_back
    union all
    select 28
    union all
    select 56
    union all
    select 84
),

feature_use as (
    select
        u.account_key,
        u.day,
        s.feature,
        cast(coalesce(sum(case when w.days_back = 0 then f.n_events_28d end), 0) as bigint) as n_events,
        cast(coalesce(sum(case when w.days_back > 0 then f.n_events_28d end), 0) / 3.0 as numeric(18, 2)) as usual
    from use_of_days as u
    cross join meta.scored_feature as s
    cross join windows as w
    left join feature_days as f
        on f.account_key = u.account_key and f.day = u.usage_known_on - w.days_back and f.feature = s.feature
    group by u.account_key, u.day, s.feature
),

-- As text, because an account has one row per day: {"feature": number, ...}.
features as (
    select
        account_key,
        day,
        '{' || string_agg('"' || feature || '": ' || cast(n_events as text), ', ' order by feature) || '}' as events,
        '{' || string_agg('"' || feature || '": ' || cast(usual as text), ', ' order by feature) || '}' as usual
    from feature_use
    group by account_key, day
),

use as (
    select
        u.account_key,
        u.day,
        u.usage_known_on,
        n.n_user_days_28d as user_days_28d,
        case
            when n.n_days_known >= 112
                then greatest(
                    (b1.n_user_days_28d + b2.n_user_days_28d + b3.n_user_days_28d) / 3.0,
                    (b4.n_user_days_28d + b5.n_user_days_28d + b6.n_user_days_28d) / 3.0
                )
                -- In a low season fewer people are usual. More events in a high one are not more people.
                * least(coalesce(k.usage_season, 1), 1)
        end as user_days_usual,
        k.usage_ratio,
        k.active_seat_share,
        k.breadth,
        case when k.active_users_28d > 0 then cast(p.n_deep_users as double precision) / k.active_users_28d end
            as depth,
        k.active_users_28d,
        f.events as feature_events,
        case when n.n_days_known >= 112 then f.usual end as feature_events_usual
    from use_of_days as u
    join known_use as k on k.account_key = u.account_key and k.day = u.usage_known_on
    left join user_days as n on n.account_key = u.account_key and n.day = u.usage_known_on
    left join user_days as b1 on b1.account_key = u.account_key and b1.day = u.usage_known_on - 28
    left join user_days as b2 on b2.account_key = u.account_key and b2.day = u.usage_known_on - 56
    left join user_days as b3 on b3.account_key = u.account_key and b3.day = u.usage_known_on - 84
    left join user_days as b4 on b4.account_key = u.account_key and b4.day = u.usage_known_on - 112
    left join user_days as b5 on b5.account_key = u.account_key and b5.day = u.usage_known_on - 140
    left join user_days as b6 on b6.account_key = u.account_key and b6.day = u.usage_known_on - 168
    left join people as p on p.account_key = u.account_key and p.day = u.usage_known_on
    left join features as f on f.account_key = u.account_key and f.day = u.day
),

tickets as (
    select account_key, created_day
    from core.ticket
    where not is_deleted and created_day < :end and created_day > cast(:start as date) - 98
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

ratings as (
    select account_key, rated_day, cast(rating = 'good' as integer) as n_good
    from core.ticket
    where not is_deleted and rating is not null and rated_day < :end and rated_day > cast(:start as date) - 180
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

mentions as (
    select account_key, day, n_mentions
    from core.competitor_mention
    where day < :end and day > cast(:start as date) - 90
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

milestones as (
    select
        b.account_key,
        greatest(m.due_on, coalesce(cast(m.created_at at time zone :zone as date), m.due_on)) as due_on,
        cast(m.done_on is not null and m.done_on <= m.due_on as integer) as n_on_time
    from staging.stg_crm__milestone as m
    join bridge as b on b.source = m.source and b.source_id = m.account_id
    where not m.is_deleted and m.due_on < :end and m.due_on > cast(:start as date) - 365
        and coalesce(m.status, '') not in ('cancelled', 'canceled')
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

answers as (
    select
        b.account_key,
        coalesce(s.contact_id, s.survey_response_id) as contact_id,
        s.score,
        cast(s.answered_at at time zone :zone as date) as day,
        s.answered_at
    from staging.stg_crm__survey_response as s
    join bridge as b on b.source = s.source and b.source_id = s.account_id
    where not s.is_deleted and s.kind = 'nps' and s.score is not null
        and cast(s.answered_at at time zone :zone as date) < :end
        and cast(s.answered_at at time zone :zone as date) > cast(:start as date) - 540
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

-- On each day with an answer, or on which one is too old: the last answer of each person; none if all are too old.
last_answers as (
    select
        d.account_key,
        d.day,
        a.score,
        a.day as answered_on,
        row_number() over (partition by d.account_key, d.day, a.contact_id order by a.answered_at desc, a.score) as age
    from (select account_key, day from answers union select account_key, day + 270 from answers) as d
    left join answers as a on a.account_key = d.account_key and a.day <= d.day and a.day > d.day - 270
),

nps as (
    select
        account_key,
        day,
        max(answered_on) as answered_on,
        cast(percentile_cont(0.5) within group (order by cast(score as double precision)) as double precision) as median
    from last_answers
    where age = 1
    group by account_key, day
),

contacts as (
    select
        *,
        lead(from_day) over (partition by account_key order by from_day) as to_day,
        n_decision_makers + n_champions as n_keys,
        lag(n_decision_makers + n_champions) over (partition by account_key order by from_day) as n_keys_before
    from core.contact_step
    where from_day < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

gone as (
    select account_key, gone_on, is_replaced
    from core.key_contact_gone
    where gone_on < :end
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- A call, a meeting or an incoming mail. If the CRM's activities are not read: the last contact of a person, known from
-- the load that brought it. Before that load nobody could know that no later contact came.
touches as (
    select b.account_key, cast(a.happened_at at time zone :zone as date) as day,
        cast(a.happened_at at time zone :zone as date) as touched_on
    from staging.stg_crm__activity as a
    join bridge as b on b.source = a.source and b.source_id = a.account_id
    where not a.is_deleted
        and a.is_completed
        and (a.activity_type in ('call', 'meeting') or (a.activity_type = 'email' and a.direction = 'in'))
        and cast(a.happened_at at time zone :zone as date) > cast(:start as date) - 366
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    union all
    select account_key, greatest(from_day, known_on), from_day
    from core.contact_touch
    where greatest(from_day, known_on) > cast(:start as date) - 366
        and split_part(account_key, ':', 1) not in (select source from staging.stg_crm__activity)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- For merged accounts the last pulse of a day counts.
pulses as (
    select account_key, given_on, score
    from (
        select
            b.account_key,
            p.given_on,
            p.score,
            row_number() over (partition by b.account_key, p.given_on order by p.known_from desc) as age
        from meta.health_pulse as p
        join bridge as b on b.source || ':' || b.source_id = p.account_key
        where p.given_on < :end
            and p.known_from <= :known_at
            and (p.known_to is null or p.known_to > :known_at)
            and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    ) as given
    where age = 1
),

-- Each fact starts to count, and stops when it is too old; fact_on is the day of the fact itself.
events as (
    select account_key, created_day as day, 'new' as kind, 1 as n, cast(null as date) as fact_on from tickets
    union all
    select account_key, created_day + 14, 'new', -1, null from tickets
    union all
    select account_key, created_day + 14, 'usual', 1, null from tickets
    union all
    select account_key, created_day + 98, 'usual', -1, null from tickets
    union all
    select account_key, rated_day, 'rated', 1, rated_day from ratings
    union all
    select account_key, rated_day + 180, 'rated', -1, null from ratings
    union all
    select account_key, rated_day, 'good', n_good, null from ratings
    union all
    select account_key, rated_day + 180, 'good', -n_good, null from ratings
    union all
    select account_key, day, 'mention', n_mentions, null from mentions
    union all
    select account_key, day + 90, 'mention', -n_mentions, null from mentions
    union all
    select account_key, due_on, 'due', 1, due_on from milestones
    union all
    select account_key, due_on + 365, 'due', -1, null from milestones
    union all
    select account_key, due_on, 'reached', n_on_time, null from milestones
    union all
    select account_key, due_on + 365, 'reached', -n_on_time, null from milestones
    union all
    select account_key, day, 'nps', 0, day from nps
    union all
    select account_key, given_on, 'pulse', 0, given_on from pulses
    union all
    select account_key, from_day, 'people', 0, from_day from contacts
    union all
    select account_key, from_day, 'left', 0, from_day from contacts where n_keys < n_keys_before
    union all
    select account_key, gone_on, 'left', 0, gone_on from gone
    union all
    select account_key, gone_on, 'followed', 0, gone_on from gone where is_replaced
    union all
    select account_key, from_day, 'key', 0, from_day from contacts where n_keys > 0
    union all
    select account_key, from_day, 'followed', 0, from_day from contacts where n_keys > n_keys_before
    union all
    select account_key, day, 'touch', 0, touched_on from touches where day < :end
    union all
    select account_key, day, 'grid', 0, null from grid
),

running as (
    select
        account_key,
        day,
        kind,
        sum(case when kind = 'new' then n else 0 end) over w as n_14d,
        sum(case when kind = 'usual' then n else 0 end) over w as n_usual,
        sum(case when kind = 'rated' then n else 0 end) over w as n_rated,
        sum(case when kind = 'good' then n else 0 end) over w as n_good,
        sum(case when kind = 'mention' then n else 0 end) over w as n_mentions,
        sum(case when kind = 'due' then n else 0 end) over w as n_due,
        sum(case when kind = 'reached' then n else 0 end) over w as n_on_time,
        max(case when kind = 'rated' then fact_on end) over w as rated_on,
        max(case when kind = 'due' then fact_on end) over w as due_on,
        max(case when kind = 'nps' then fact_on end) over w as nps_changed_on,
        max(case when kind = 'pulse' then fact_on end) over w as pulse_on,
        max(case when kind = 'people' then fact_on end) over w as changed_on,
        max(case when kind = 'left' then fact_on end) over w as left_on,
        max(case when kind = 'followed' then fact_on end) over w as followed_on,
        max(case when kind = 'key' then fact_on end) over w as key_on,
        max(case when kind = 'touch' then fact_on end) over w as touched_on
    from events
    window w as (
        partition by account_key order by day, case when kind = 'grid' then 1 else 0 end rows unbounded preceding
    )
),

invoices as (
    select
        b.account_key,
        i.due_on,
        greatest(i.due_on, coalesce(i.issued_on, i.due_on)) as known_on,
        case when i.amount_open > 0 then cast(null as date) else i.paid_on end as settled_on
    from staging.stg_crm__invoice as i
    join bridge as b on b.source = i.source and b.source_id = i.account_id
    where not i.is_deleted
        and coalesce(i.status, 'open') not in ('draft', 'void')
        and i.due_on < :end
        and (i.amount_open > 0 or i.paid_on > :start)
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
),

billed as (
    select b.account_key, min(coalesce(i.issued_on, i.due_on)) as first_on
    from staging.stg_crm__invoice as i
    join bridge as b on b.source = i.source and b.source_id = i.account_id
    where not i.is_deleted
        and coalesce(i.status, 'open') not in ('draft', 'void')
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
    group by b.account_key
),

overdue as (
    select g.account_key, g.day, min(i.due_on) as due_on
    from grid as g
    join invoices as i
        on i.account_key = g.account_key
            and i.known_on < g.day
            and (i.settled_on is null or i.settled_on > g.day)
    group by g.account_key, g.day
),

-- Notice on a small add-on says little about the account: only notice on at least half of the kept ARR counts.
notices as (
    select g.account_key, g.day, min(n.notice_given_on) as notice_given_on
    from grid as g
    join core.notice as n on n.account_key = g.account_key and n.notice_given_on <= g.day and n.until_day >= g.day
    group by g.account_key, g.day, g.kept_arr
    having sum(n.target_arr) >= g.kept_arr / 2
),

limits as (
    select
        coalesce(max(case when tier = 'default' then hours end), 24) / 24.0 as default_days
    from meta.urgent_limit
),

cadences as (
    select * from meta.tier_policy
)

select
    g.account_key,
    g.day,
    g.tier,
    g.days_as_customer,
    exists (
        select 1 from pauses as q where q.account_key = g.account_key and q.from_day <= g.day and q.to_day > g.day
    ) as is_paused,
    u.usage_known_on,
    u.user_days_28d,
    cast(u.user_days_usual as double precision) as user_days_usual,
    -- With few person-days, one more or less is chance: four are added on both sides.
    case
        when u.user_days_usual < 20 then (u.user_days_28d + 4) / cast(u.user_days_usual + 4 as double precision)
        else u.user_days_28d / cast(u.user_days_usual as double precision)
    end as user_days_ratio,
    u.usage_ratio,
    case
        when u.user_days_usual < 20 then (u.user_days_28d + 4) / cast(u.user_days_usual + 4 as double precision)
        else least(u.user_days_28d / cast(u.user_days_usual as double precision), u.usage_ratio)
    end as use_ratio,
    u.active_seat_share,
    u.breadth,
    u.depth,
    u.active_users_28d,
    u.feature_events,
    u.feature_events_usual,
    case
        when g.n_open_urgent_tickets = 0 then 0
        when g.n_open_urgent_tickets > 0
            then g.day - cast(g.oldest_open_urgent_at at time zone :zone as date)
    end as oldest_urgent_days,
    cast(coalesce(t.hours / 24.0, l.default_days) as double precision) as urgent_limit_days,
    case when g.n_open_tickets is not null then cast(r.n_14d as integer) end as n_tickets_14d,
    case when g.n_open_tickets is not null then cast(r.n_usual / 6.0 as double precision) end as n_tickets_usual_14d,
    cast(r.n_rated as integer) as n_rated_180d,
    case when r.n_rated >= 3 then r.n_good / cast(r.n_rated as double precision) end as good_rating_share,
    case when r.n_rated > 0 then r.rated_on end as rated_on,
    case when r.touched_on > g.day - 365 then g.day - r.touched_on end as days_since_contact,
    coalesce(y.cadence_days, z.cadence_days) as cadence_days,
    g.n_decision_makers,
    g.n_champions,
    case
        when g.n_contacts is not null
            then case when c.n_end_users > 0 or coalesce(u.active_users_28d, g.active_users_28d) > 0 then 1 else 0 end
                + case when g.n_champions > 0 then 1 else 0 end
                + case when g.n_decision_makers > 0 then 1 else 0 end
                + case when c.n_vetoes > 0 then 1 else 0 end
    end as n_roles_filled,
    case
        when g.n_contacts is null or (r.key_on is null and r.left_on is null) then null
        when r.left_on > g.day - 90 then 0
        when r.left_on > g.day - 365 and (r.followed_on is null or r.followed_on < r.left_on - 90) then 0
        else 1
    end as key_contacts_kept,
    g.day - r.left_on as key_contact_left_days,
    greatest(r.changed_on, case when r.touched_on > g.day - 365 then r.touched_on end) as people_known_on,
    n.median as nps_median,
    n.answered_on as nps_on,
    p.score as pulse,
    r.pulse_on,
    case when b.first_on <= g.day then coalesce(g.day - o.due_on, 0) end as overdue_days,
    -- Without configured names there are no mentions.
    case
        when exists (select 1 from unnest(cast(:competitors as text[])) as known (name))
            then cast(r.n_mentions as integer)
    end as n_competitor_mentions_90d,
    case when r.n_due > 0 then r.n_on_time / cast(r.n_due as double precision) end as milestones_on_time,
    case when r.n_due > 0 then r.due_on end as milestone_on,
    w.notice_given_on
from grid as g
cross join limits as l
join running as r on r.account_key = g.account_key and r.day = g.day and r.kind = 'grid'
left join use as u on u.account_key = g.account_key and u.day = g.day
left join meta.urgent_limit as t on t.tier = lower(g.tier)
left join cadences as y on y.tier = lower(g.tier)
left join cadences as z on z.tier = 'default'
left join contacts as c
    on c.account_key = g.account_key and g.day >= c.from_day and (c.to_day is null or g.day < c.to_day)
left join nps as n on n.account_key = g.account_key and n.day = r.nps_changed_on
left join pulses as p on p.account_key = g.account_key and p.given_on = r.pulse_on
left join billed as b on b.account_key = g.account_key
left join overdue as o on o.account_key = g.account_key and o.day = g.day
left join notices as w on w.account_key = g.account_key and w.day = g.day
