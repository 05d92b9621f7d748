-- Purpose: a won deal per subscription. All deals of a customer share one contract.
-- Grain: subscription.
select
    cast(sub_id as text) as id,
    cast(customer_no as text) as account_id,
    plan as name,
    'closed' as stage,
    true as is_closed,
    true as is_won,
    'new' as opportunity_type,
    cast(customer_no as text) as contract_number,
    mrr * 12 as amount,
    currency,
    started_on as close_date,
    started_on::timestamptz as created_at,
    cast(null as timestamptz) as updated_at
from subscriptions
