-- Purpose: calls, mails and meetings with the companies.
-- Grain:   activity.
select
    a.activity_id as id,
    l.account_id,
    l.contact_id,
    a.rep_id as owner_id,
    case a.activity_type when 'demo' then 'meeting' else a.activity_type end as activity_type,
    'out' as direction,
    a.activity_outcome as outcome,
    a.activity_timestamp::timestamptz as happened_at,
    a.activity_outcome in ('connected', 'demo_completed', 'meeting_set') as is_completed,
    a.activity_timestamp::timestamptz as created_at,
    a.activity_timestamp::timestamptz as updated_at
from sales_activities as a
join leads as l on l.lead_id = a.lead_id
