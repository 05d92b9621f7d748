-- Purpose: subscriptions. Each runs for a year at the deal's annual value.
-- Grain: subscription. Caveat: a deal without a value has no line; its ARR is not known.
select
    s.subscription_id as id,
    c.opportunity_id,
    c.account_id,
    s.plan_name as product,
    1 as quantity,
    o.estimated_acv::numeric as amount,
    'USD' as currency,
    true as is_recurring,
    s.subscription_start_at::date as term_start,
    (s.subscription_start_at::date + interval '1 year')::date as term_end,
    s.subscription_start_at::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from subscriptions as s
join customers as c on c.customer_id = s.customer_id
join opportunities as o on o.opportunity_id = c.opportunity_id
where o.estimated_acv is not null
