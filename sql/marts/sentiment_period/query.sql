-- Purpose: survey results. Grain: period and group.
-- Inputs: survey answers, the bridge, attribute steps, periods. Window: periods that end on days [start, end).
-- Caveats: each contact's last answer within 180 days before the period's end counts. An answer without a contact
-- counts as a separate contact. NPS asks 0 to 10, CSAT 1 to 5, of which 4 and 5 are good.
with periods as (
    select p.*
    from meta.period as p
    where p.as_of >= :start and p.as_of < :end
        and (p.period = 'day' or p.as_of < cast(:newest as date))
),

answers as (
    select
        b.account_key,
        a.kind,
        a.score,
        cast(a.answered_at at time zone :zone as date) as day,
        a.answered_at,
        a.source || ':' || coalesce(a.contact_id, 'answer ' || a.survey_response_id) as contact_key,
        a.survey_response_id
    from staging.stg_crm__survey_response as a
    join core.account_bridge as b on b.source = a.source and b.source_id = a.account_id
    where not a.is_deleted
        and a.kind in ('nps', 'csat')
        and a.score is not null
        and b.account_key is not null
        and cast(a.answered_at at time zone :zone as date) > cast(:start as date) - 180
        and cast(a.answered_at at time zone :zone as date) < :end
),

last_answers as (
    select
        p.period,
        p.period_start,
        p.as_of,
        a.*,
        row_number() over (
            partition by p.period, p.as_of, a.kind, a.contact_key order by a.answered_at desc, a.survey_response_id desc
        ) as age
    from periods as p
    join answers as a on a.day <= p.as_of and a.day > p.as_of - 180
),

grouped as (
    select x.*, g.grain, g.grain_key
    from last_answers as x
    join core.account_group as g
        on g.account_key = x.account_key
        and x.as_of >= g.from_day and (g.to_day is null or x.as_of < g.to_day)
        and (g.grain = 'all' or x.period <> 'day')
    where x.age = 1
)

select
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    count(case when kind = 'nps' then 1 end) as n_nps,
    count(case when kind = 'nps' and score >= 9 then 1 end) as n_promoters,
    count(case when kind = 'nps' and score <= 6 then 1 end) as n_detractors,
    count(case when kind = 'csat' then 1 end) as n_csat,
    count(case when kind = 'csat' and score >= 4 then 1 end) as n_satisfied
from grouped
group by period, period_start, as_of, grain, grain_key
