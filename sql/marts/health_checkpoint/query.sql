-- Purpose: snapshots of a renewal's health 180 to 30 days before its decision, for every back-test.
-- Grain: renewal and checkpoint. Inputs: renewals, the account's scores and their inputs, open risks.
-- Window: days [start, end), on which the checkpoint of the day before is written.
-- Caveats: rows are written once, after their day has closed, and never changed. Rows from before the first build are
-- backfilled from dated records by current knowledge, marked by days_after; their forecast category is not known. Terms
-- that followed without a deal are left out.
with renewals as (
    select * from core.renewal
    where is_in_rate and not is_auto_term
),

checkpoints as (
    select r.*, c.days_before, r.decision_date - c.days_before as as_of
    from renewals as r
    cross join (
        select 180 as days_before
        union all
        select 150
        union all
        select 120
        union all
        select 90
        union all
        select 60
        union all
        select 30
    ) as c
    where r.decision_date - c.days_before + 1 >= :start
        and r.decision_date - c.days_before + 1 < :end
        and r.decision_date - c.days_before + 1 <= :newest
        and r.term_start <= r.decision_date - c.days_before
        and (r.outcome = 'open' or r.closed_on > r.decision_date - c.days_before)
),

scores as (
    select * from marts.health_score
    where day >= cast(:start as date) - 1 and day < cast(:end as date) - 1
),

inputs as (
    select * from marts.health_input
    where day >= cast(:start as date) - 1 and day < cast(:end as date) - 1
),

bands as (
    select * from marts.account_health
    where day >= cast(:start as date) - 1 and day < cast(:end as date) - 1
),

categories as (
    select account_key, renewal_id, forecast_category, probability from marts.renewal_due
),

signals as (
    select c.account_key, c.renewal_id, c.days_before, count(*) as n_open_signals
    from checkpoints as c
    join ops.episode as e
        on e.account_key = c.account_key and e.opened_on <= c.as_of and (e.closed_on is null or e.closed_on > c.as_of)
    group by c.account_key, c.renewal_id, c.days_before
)

select
    c.renewal_id,
    c.account_key,
    c.days_before,
    c.as_of,
    c.decision_date,
    c.target_arr,
    case when c.as_of >= cast(:newest as date) - 1 and c.outcome = 'open' then g.forecast_category end
        as forecast_category,
    case when c.as_of >= cast(:newest as date) - 1 and c.outcome = 'open' then g.probability end as probability,
    cast(coalesce(r.n_open_signals, 0) as integer) as n_open_signals,
    s.profile,
    s.version,
    s.score,
    s.computed,
    s.coverage,
    b.last_band as band,
    s.unknown_reason,
    i.tier,
    i.days_as_customer,
    i.is_paused,
    i.usage_known_on,
    i.user_days_28d,
    i.user_days_usual,
    i.user_days_ratio,
    i.usage_ratio,
    i.use_ratio,
    i.active_seat_share,
    i.breadth,
    i.depth,
    i.active_users_28d,
    i.feature_events,
    i.feature_events_usual,
    i.oldest_urgent_days,
    i.urgent_limit_days,
    i.n_tickets_14d,
    i.n_tickets_usual_14d,
    i.n_rated_180d,
    i.good_rating_share,
    i.rated_on,
    i.days_since_contact,
    i.cadence_days,
    i.n_decision_makers,
    i.n_champions,
    i.n_roles_filled,
    i.key_contacts_kept,
    i.key_contact_left_days,
    i.people_known_on,
    i.nps_median,
    i.nps_on,
    i.pulse,
    i.pulse_on,
    i.overdue_days,
    i.n_competitor_mentions_90d,
    i.milestones_on_time,
    i.milestone_on,
    i.notice_given_on,
    cast(cast(:newest as date) - c.as_of as integer) as days_after
from checkpoints as c
join scores as s on s.account_key = c.account_key and s.day = c.as_of
join inputs as i on i.account_key = c.account_key and i.day = c.as_of
join bands as b on b.account_key = c.account_key and b.day = c.as_of
left join categories as g on g.account_key = c.account_key and g.renewal_id = c.renewal_id
left join signals as r
    on r.account_key = c.account_key and r.renewal_id = c.renewal_id and r.days_before = c.days_before
