-- Purpose: renewals as the rates count them. Grain: renewal.
-- Inputs: renewals, accounts, attribute steps. Window: none; looks at today.
-- Caveats: evergreen contracts and renewals without a positive target are not here; the five parts of a renewal add up
-- to its target. Grouped by the account's attributes on the due date, or by today's while that lies ahead.
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

with_part as (
    select
        *,
        case when outcome in ('early', 'on_time', 'auto') then 'on_time' else outcome end as part
    from renewals
)

select
    r.renewal_id,
    r.account_key,
    r.contract_number,
    r.term_no,
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
    case when r.part in ('on_time', 'in_grace', 'after_grace') then r.closed_on - r.due_date end as days_late,
    r.target_arr,
    r.renewed_arr,
    -- LEAST passes over nulls: what is not renewed must not count as its target.
    case when r.renewed_arr is not null then least(r.renewed_arr, r.target_arr) end as renewed_of_target_arr,
    case when r.part = 'on_time' then r.target_arr else 0 end as on_time_arr,
    case when r.part = 'in_grace' then r.target_arr else 0 end as in_grace_arr,
    case when r.part = 'after_grace' then r.target_arr else 0 end as after_grace_arr,
    case when r.part = 'lost' then r.target_arr else 0 end as lost_arr,
    case when r.part = 'open' then r.target_arr else 0 end as open_arr
from with_part as r
join attribute_steps as s
    on s.account_key = r.account_key
    and least(r.due_date, cast(:newest as date)) >= s.from_day
    and (s.to_day is null or least(r.due_date, cast(:newest as date)) < s.to_day)
