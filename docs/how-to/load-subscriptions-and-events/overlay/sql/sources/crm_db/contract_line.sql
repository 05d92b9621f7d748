-- Purpose: the yearly value of each subscription, with its dates and its pause.
-- Grain: subscription. Caveat: subscriptions are evergreen, so none has a renewal; a trial is a line of 0.
select
    cast(s.sub_id as text) as id,
    cast(s.sub_id as text) as opportunity_id,
    cast(s.customer_no as text) as account_id,
    s.plan as product,
    s.seats as quantity,
    s.mrr * 12 as amount,
    s.currency,
    true as is_recurring,
    true as is_evergreen,
    s.started_on as term_start,
    s.ended_on as term_end,
    p.paused_on,
    p.resumed_on,
    s.started_on::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from subscriptions as s
left join pauses as p on p.sub_id = s.sub_id
