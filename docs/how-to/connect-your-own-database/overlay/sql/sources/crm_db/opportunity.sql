-- Purpose: deals. A won deal's contract has the number of its subscription.
-- Grain: deal.
select
    o.opportunity_id as id,
    l.account_id,
    'Deal ' || o.opportunity_id as name,
    'new business' as pipeline,
    o.stage,
    o.close_outcome in ('closed_won', 'closed_lost') as is_closed,
    coalesce(o.close_outcome = 'closed_won', false) as is_won,
    'new' as opportunity_type,
    s.subscription_id as contract_number,
    coalesce(o.estimated_acv::numeric, 0) as amount,
    'USD' as currency,
    o.closed_at::date as close_date,
    l.owner_rep_id as owner_id,
    o.created_at::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from opportunities as o
join leads as l on l.lead_id = o.lead_id
left join customers as c on c.opportunity_id = o.opportunity_id
left join subscriptions as s on s.customer_id = c.customer_id
