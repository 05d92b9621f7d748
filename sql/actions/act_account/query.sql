-- Purpose: inputs of the signals about accounts.
-- Grain: customer account. Inputs: the account's newest day, its CRM record, owner, next renewal, tickets, competitor
-- mentions, invoices, survey answers, milestones, teams. Window: none; as of today, or of a past day in a simulation,
-- which ignores events after the newest day.
-- Caveats: only accounts with kept ARR, without excluded ones. A value without a connected source is null. Each column
-- names its sources, so that decide can ignore columns of a failing source.
with days as (
    select * from marts.account_day
    where day = :newest
        and is_customer
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

accounts as (
    select * from core.account where not is_excluded
),

owners as (
    select * from core.owner
),

bridge as (
    select * from core.account_bridge
),

-- Active days, summed over people. One person makes hundreds of events, but at most 28 days.
people_days as (
    select
        account_key,
        max(case when day = :newest then n_days_known end) as n_days_known,
        max(case when day = :newest then n_user_days_28d end) as now_days,
        sum(case when cast(:newest as date) - day in (28, 56, 84) then n_user_days_28d end) / 3.0 as usual_days,
        sum(case when cast(:newest as date) - day in (56, 84, 112) then n_user_days_28d end) / 3.0 as settled_days,
        max(case when cast(:newest as date) - day = 14 then n_user_days_28d end) as before_days,
        sum(case when cast(:newest as date) - day in (42, 70, 98) then n_user_days_28d end) / 3.0 as before_usual_days
    from core.usage_28d
    where day in (
        :newest, cast(:newest as date) - 14, cast(:newest as date) - 28, cast(:newest as date) - 42,
        cast(:newest as date) - 56, cast(:newest as date) - 70, cast(:newest as date) - 84, cast(:newest as date) - 98,
        cast(:newest as date) - 112
    )
    and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

-- The first day with kept ARR.
starts as (
    select account_key, min(from_day) as customer_since
    from core.arr_step
    where kept_arr > 0
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

-- Won renewals whose deals repeat the old dates or have no usable dates.
undated_renewals as (
    select account_key, count(*) as n_undated_renewals, min(contract_number) as undated_renewal
    from core.renewal
    where are_dates_missing and closed_on <= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

next_renewals as (
    select account_key, min(decision_date) as next_decision_date
    from core.renewal
    where (outcome = 'open' or closed_on > :newest) and decision_date >= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

-- An evergreen contract has no renewal; its review date is the anniversary.
next_reviews as (
    select l.account_key, min(m.month_start + (least(s.day_of_month, m.days_in_month) - 1)) as next_review_date
    from core.committed_line as l
    join meta.calendar as s on s.day = l.term_start
    join meta.calendar as m
        on m.day = m.month_start and m.month_no > s.month_no and mod(m.month_no - s.month_no, 12) = 0
    where l.is_evergreen
        and l.active_to > :newest
        and m.month_start > cast(:newest as date) - 31
        and m.month_start <= cast(:newest as date) + 366
        and m.month_start + (least(s.day_of_month, m.days_in_month) - 1) >= :newest
        and (cast(:accounts as text[]) is null or l.account_key = any(cast(:accounts as text[])))
    group by l.account_key
),

tickets as (
    select
        account_key,
        sum(case when created_day > cast(:newest as date) - 14 then 1 else 0 end) as n_tickets_14d,
        sum(case when created_day <= cast(:newest as date) - 14 then 1 else 0 end) / 6.0 as n_tickets_usual_14d,
        sum(
            case when rating = 'bad' and rated_day between cast(:newest as date) - 29 and :newest then 1 else 0 end
        ) as n_bad_ratings_30d
    from core.ticket
    where not is_deleted
        and created_day > cast(:newest as date) - 98
        and created_day <= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

named_by as (
    select
        account_key,
        cast(sum(n_mentions) as bigint) as n_competitor_mentions_30d,
        cast(max(day) as timestamp) at time zone :zone as competitor_named_at
    from core.competitor_mention
    where day > cast(:newest as date) - 30
        and day <= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key
),

invoices as (
    select
        b.account_key,
        sum(case when i.paid_on > :newest then i.amount else i.amount_open end) as overdue_amount,
        cast(:newest as date) - min(i.due_on) as overdue_days
    from staging.stg_crm__invoice as i
    join bridge as b on b.source = i.source and b.source_id = i.account_id
    where not i.is_deleted
        and coalesce(i.status, 'open') not in ('draft', 'void')
        and (i.amount_open > 0 or i.paid_on > :newest)
        and i.due_on < :newest
    group by b.account_key
),

answers as (
    select
        b.account_key,
        s.kind,
        s.score,
        s.answered_at,
        row_number() over (partition by b.account_key, s.kind order by s.answered_at desc, s.survey_response_id) as age
    from staging.stg_crm__survey_response as s
    join bridge as b on b.source = s.source and b.source_id = s.account_id
    where not s.is_deleted and s.score is not null and cast(s.answered_at at time zone :zone as date) <= :newest
),

last_nps as (
    select account_key, score as last_nps_score, answered_at as last_nps_at
    from answers
    where kind = 'nps' and age = 1
),

milestones as (
    select
        b.account_key,
        cast(:newest as date) - min(m.due_on) as milestone_late_days,
        count(*) as n_late_milestones,
        min(m.name) as late_milestone
    from staging.stg_crm__milestone as m
    join bridge as b on b.source = m.source and b.source_id = m.account_id
    where not m.is_deleted and m.due_on < :newest
        and (
            m.done_on > :newest
            or (m.done_on is null and coalesce(m.status, '') not in ('done', 'cancelled', 'canceled'))
        )
    group by b.account_key
),

-- A team is new for 28 days after its first active day.
first_active as (
    select account_key, team, min(day) as first_day
    from core.team_step
    where is_active
        and day <= :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
    group by account_key, team
),

cadences as (
    select * from meta.tier_policy
),

new_teams as (
    select
        account_key,
        count(*) over (partition by account_key) as n_new_teams_28d,
        team as new_team,
        first_day as new_team_on,
        row_number() over (partition by account_key order by first_day desc, team) as age
    from first_active
    where first_day > cast(:newest as date) - 28
),

tiers_before as (
    select account_key, tier from marts.account_day
    where day = cast(:newest as date) - 14
        and is_customer
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Today's band, and the previous band with the score of three days earlier, because a band changes only after three
-- days.
healths as (
    select * from marts.account_health
    where day = :newest
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

health_before as (
    select h.account_key, b.last_band, b.computed
    from healths as h
    join marts.account_health as b on b.account_key = h.account_key and b.day = h.band_since - 3
    where b.day >= cast(:newest as date) - 60 and b.day < :newest
        and (cast(:accounts as text[]) is null or b.account_key = any(cast(:accounts as text[])))
)

select
    cast(:newest as date) as as_of_day,
    d.account_key,
    a.name as account_name,
    d.tier,
    d.industry,
    d.region,
    d.arr,
    cast(:currency as text) as currency,
    cast(:newest as date) - s.customer_since as days_as_customer,
    r.next_decision_date,
    r.next_decision_date - cast(:newest as date) as days_to_decision,
    v.next_review_date,
    v.next_review_date - cast(:newest as date) as days_to_review,
    coalesce(u.n_undated_renewals, 0) as n_undated_renewals,
    u.undated_renewal,
    d.owner_key,
    o.name as owner_name,
    o.email as owner_email,
    o.team as owner_team,
    coalesce(o.is_active, false) as owner_is_active,
    a.crm_account_id,
    a.crm_source,
    cast(d.usage_28d as numeric) as usage_28d,
    cast(d.usage_expected as numeric) as usage_baseline,
    d.usage_ratio,
    d.n_baseline_windows,
    p.now_days as user_days_28d,
    -- Windows of 28 days: the current one, three before it, three before the previous one, three before that of 14 days
    -- ago.
    cast(case when p.n_days_known >= 112 then p.usual_days end as double precision) as user_days_usual,
    cast(case when p.n_days_known >= 140 then p.settled_days end as double precision) as user_days_settled,
    cast(case when p.n_days_known >= 126 then p.before_days / nullif(p.before_usual_days, 0) end as double precision)
        as user_days_ratio_14d_ago,
    d.active_users_28d,
    d.paid_seats,
    d.activated_seats,
    d.seat_utilisation,
    d.active_seat_share,
    d.breadth,
    d.n_open_tickets,
    d.n_open_urgent_tickets,
    d.oldest_open_urgent_at,
    cast(:newest as date) - cast(d.oldest_open_urgent_at at time zone :zone as date) as oldest_urgent_days,
    case when d.n_open_tickets is not null then coalesce(t.n_tickets_14d, 0) end as n_tickets_14d,
    cast(case when d.n_open_tickets is not null then coalesce(t.n_tickets_usual_14d, 0) end as double precision)
        as n_tickets_usual_14d,
    case when d.n_open_tickets is not null then coalesce(t.n_bad_ratings_30d, 0) end as n_bad_ratings_30d,
    coalesce(c.n_competitor_mentions_30d, case when d.n_open_tickets is not null then 0 end)
        as n_competitor_mentions_30d,
    c.competitor_named_at,
    d.last_contact_at,
    cast(:newest as date) - cast(d.last_contact_at at time zone :zone as date) as days_since_contact,
    coalesce(y.cadence_days, z.cadence_days) as touch_cadence_days,
    d.n_decision_makers,
    i.overdue_amount,
    i.overdue_days,
    n.last_nps_score,
    n.last_nps_at,
    cast(:newest as date) - cast(n.last_nps_at at time zone :zone as date) as days_since_nps,
    m.n_late_milestones,
    m.milestone_late_days,
    m.late_milestone,
    coalesce(w.n_new_teams_28d, case when d.usage_28d is not null then 0 end) as n_new_teams_28d,
    w.new_team,
    w.new_team_on,
    h.shown as health,
    h.band as health_band,
    h.coverage as health_coverage,
    e.last_band as health_band_before,
    e.computed as health_before,
    case when e.last_band is not null and not h.is_override then cast(:newest as date) - h.band_since end
        as health_band_days,
    l.tier as tier_before
from days as d
join accounts as a on a.account_key = d.account_key
left join owners as o on o.owner_key = d.owner_key
left join cadences as y on y.tier = lower(d.tier)
left join cadences as z on z.tier = 'default'
left join people_days as p on p.account_key = d.account_key
left join starts as s on s.account_key = d.account_key
left join next_renewals as r on r.account_key = d.account_key
left join undated_renewals as u on u.account_key = d.account_key
left join next_reviews as v on v.account_key = d.account_key
left join tickets as t on t.account_key = d.account_key
left join named_by as c on c.account_key = d.account_key
left join invoices as i on i.account_key = d.account_key
left join last_nps as n on n.account_key = d.account_key
left join milestones as m on m.account_key = d.account_key
left join new_teams as w on w.account_key = d.account_key and w.age = 1
left join healths as h on h.account_key = d.account_key
left join health_before as e on e.account_key = d.account_key
left join tiers_before as l on l.account_key = d.account_key
