-- Purpose: renewals as counted by the rates and the forecast. Grain: renewal.
-- Inputs: renewals, deals, accounts, attribute steps, probabilities. Window: none; as of today.
-- Caveats: without evergreen contracts and renewals without a positive target. The five components of a renewal add up
-- to its target. Grouped by the account's attributes on the due date, or today's if that is in the future. A silent
-- loss is settled only after the grace, although it is dated at the due date.
with renewals as (
    select * from core.renewal
    where is_in_rate
        and due_date <= cast(:newest as date) + 366
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

attribute_steps as (
    select *, lead(from_day) over (partition by account_key order by from_day) as to_day
    from core.account_step
    where (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

open_deals as (
    select opportunity_key, coalesce(stage, '*') as stage
    from core.opportunity
    where not is_closed
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

probabilities as (
    select * from meta.forecast_category
),

with_part as (
    select
        *,
        case when outcome in ('early', 'on_time', 'auto') then 'on_time' else outcome end as part
    from renewals
),

judged as (
    select
        r.*,
        case
            when r.part = 'lost' then 'lost'
            when r.part <> 'open' then 'won'
            when r.notice_given_on is not null then 'committed_churn'
            else coalesce(p.category, d.category)
        end as forecast_category,
        case
            when r.part = 'lost' then 0
            when r.part <> 'open' then 1
            when r.notice_given_on is not null then 0
            else coalesce(p.probability, d.probability)
        end as probability
    from with_part as r
    left join open_deals as o
        on o.opportunity_key = r.open_opportunity_key and r.part = 'open'
    left join probabilities as p on p.stage = coalesce(o.stage, '')
    left join probabilities as d on d.stage = '*'
)

select
    r.renewal_id,
    r.account_key,
    r.contract_number,
    r.term_no,
    r.term_start,
    r.due_date,
    r.decision_date,
    s.owner_key,
    s.tier,
    s.industry,
    s.region,
    r.part,
    r.outcome = 'early' as is_early,
    r.outcome = 'auto' as is_auto,
    r.closed_on,
    case
        when r.part = 'lost' and r.closing_opportunity_key is null and r.notice_given_on is null
            then r.due_date + r.grace_days
        when r.part <> 'open' then r.closed_on
    end as settled_on,
    case when r.part in ('on_time', 'in_grace', 'after_grace') then r.closed_on - r.due_date end as days_late,
    r.target_arr,
    r.renewed_arr,
    -- LEAST ignores nulls: a contract that is not renewed must not count as its target.
    case
        when r.renewed_arr is not null then least(r.renewed_arr, r.target_arr)
        -- Won in a currency without a rate: the renewal is known and counts as flat.
        when r.part not in ('lost', 'open') then r.target_arr
    end as renewed_of_target_arr,
    r.renewed_list_arr,
    case when r.part = 'on_time' then r.target_arr else 0 end as on_time_arr,
    case when r.part = 'in_grace' then r.target_arr else 0 end as in_grace_arr,
    case when r.part = 'after_grace' then r.target_arr else 0 end as after_grace_arr,
    case when r.part = 'lost' then r.target_arr else 0 end as lost_arr,
    case when r.part = 'open' then r.target_arr else 0 end as open_arr,
    r.forecast_category,
    cast(r.probability as double precision) as probability,
    cast(
        case
            when r.part = 'open' then r.target_arr * r.probability
            when r.part = 'lost' then 0
            else least(coalesce(r.renewed_arr, r.target_arr), r.target_arr)
        end
        as numeric(18, 2)
    ) as forecast_arr
from judged as r
join attribute_steps as s
    on s.account_key = r.account_key
    and least(r.due_date, cast(:newest as date)) >= s.from_day
    and (s.to_day is null or least(r.due_date, cast(:newest as date)) < s.to_day)
