-- Purpose: a renewal's forecast 180, 90 and 30 days before its decision, and at the start of each quarter.
-- Grain: renewal and checkpoint. Inputs: forecast lines. Window: checkpoints on days [start, end).
-- Caveats: rows are written once and never changed, up to 3 days late if no build ran on the day, and never later:
-- forecasts from before the first build are unknown. Renewals settled in between are left out.
with today as (
    select q.quarter_start, m.month_no
    from meta.calendar as q
    join meta.calendar as m on m.day = q.quarter_start
    where q.day = :newest
),

checkpoints as (
    select l.*, c.checkpoint, l.decision_date - c.days_before as frozen_on
    from marts.forecast_line as l
    cross join (
        select 't180' as checkpoint, 180 as days_before
        union all
        select 't90', 90
        union all
        select 't30', 30
    ) as c
    where l.closed_on is null
    union all
    select
        l.*,
        case m.month_no - t.month_no
            when 0 then 'quarter'
            when 3 then 'quarter_1_ahead'
            when 6 then 'quarter_2_ahead'
            else 'quarter_3_ahead'
        end,
        t.quarter_start
    from marts.forecast_line as l
    cross join today as t
    join meta.calendar as m on m.day = l.quarter_start
    where l.quarter_start >= t.quarter_start
        and (l.closed_on is null or l.closed_on < t.quarter_start)
)

select
    renewal_id,
    account_key,
    checkpoint,
    frozen_on,
    quarter_start,
    due_date,
    decision_date,
    owner_key,
    tier,
    line_class,
    category,
    band,
    n_settled,
    configured_probability,
    band_probability,
    probability,
    target_arr,
    amount_arr,
    renewed_share,
    cast(as_of - frozen_on as integer) as days_after
from checkpoints
where frozen_on >= :start
    and frozen_on < :end
    and frozen_on <= as_of
    and frozen_on >= as_of - 3
